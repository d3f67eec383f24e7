"""Fallback and timeouts of a route: when the next attempt is made, and how long things take."""

from collections.abc import Sequence

from bailiwick_contract.bounds import MAX_ATTEMPTS
from bailiwick_contract.clocks import silence_ms
from bailiwick_contract.v1.tenant_config_pb2 import Backend as BackendConfig
from bailiwick_contract.v1.tenant_config_pb2 import Fallback as FallbackConfig
from bailiwick_contract.v1.tenant_config_pb2 import RetryBudget
from bailiwick_contract.v1.tenant_config_pb2 import Timeouts as TimeoutsConfig
from bailiwick_operator.api.v1alpha1.model_route import Fallback, FallbackReason, Timeouts
from bailiwick_operator.compile.findings import Report
from bailiwick_operator.compile.quantities import QuantityError, milliseconds
from bailiwick_operator.conditions import Reason

_WHEN = {
    FallbackReason.CONNECT_FAILURE: FallbackConfig.WHEN_CONNECT_FAILURE,
    FallbackReason.FIRST_BYTE_TIMEOUT: FallbackConfig.WHEN_FIRST_BYTE_TIMEOUT,
    FallbackReason.RATE_LIMITED: FallbackConfig.WHEN_RATE_LIMITED,
    FallbackReason.SERVER_ERROR: FallbackConfig.WHEN_SERVER_ERROR,
}
_TIMEOUTS = (
    ("request", "request", "request_ms"),
    ("backend_request", "backendRequest", "backend_request_ms"),
    ("first_byte", "firstByte", "first_byte_ms"),
    ("stream_idle", "streamIdle", "stream_idle_ms"),
)


def compile_fallback(
    fallback: Fallback | None, backends: Sequence[BackendConfig], out: Report
) -> FallbackConfig:
    """When and how often the next backend is tried.

    Without a word about it, backends of a later priority are reached for every reason: that is
    what they are written for. Each backend is tried once at most, so more attempts than backends
    that take traffic are clamped.
    """
    usable = sum(1 for backend in backends if backend.weight)
    most = max(1, min(usable, MAX_ATTEMPTS))
    if fallback is None:
        later = len({backend.priority for backend in backends if backend.weight}) > 1
        return FallbackConfig(
            when=sorted(_WHEN.values()) if later else [], max_attempts=most if later else 1
        )
    if not fallback.when:
        out.refuse(
            "spec.fallback.when",
            Reason.INVALID,
            "an empty list never falls back",
            cure="name at least one reason, or set maxAttempts 1",
        )
    if fallback.max_attempts > most:
        out.note(
            "spec.fallback.maxAttempts",
            Reason.CLAMPED,
            f"maxAttempts {fallback.max_attempts} is more than the {most} of the backends that "
            "can be tried",
            cure=f"{most} holds: lower the figure, or add backends",
        )
    _note_out_of_reach(fallback.max_attempts, backends, out)
    return FallbackConfig(
        when=sorted({_WHEN[reason] for reason in fallback.when}),
        max_attempts=min(fallback.max_attempts, most),
        retry_budget=_budget(fallback),
    )


def _budget(fallback: Fallback) -> RetryBudget | None:
    budget = fallback.retry_budget
    if budget is None:
        return None
    return RetryBudget(percent=budget.percent, min_per_minute=budget.min_per_minute)


def _note_out_of_reach(attempts: int, backends: Sequence[BackendConfig], out: Report) -> None:
    used = sorted(backend.priority for backend in backends if backend.weight)
    for priority in sorted(set(used)):
        before = sum(1 for one in used if one < priority)
        if before >= attempts:
            out.note(
                "spec.fallback.maxAttempts",
                Reason.MATCHES_NOTHING,
                f"with maxAttempts {attempts} a call never gets past the {before} backends before "
                f"priority {priority} while they can be tried",
                cure=f"raise maxAttempts to {before + 1} or more, or remove backends",
            )


def compile_timeouts(timeouts: Timeouts | None, attempts: int, out: Report) -> TimeoutsConfig:
    """The timeouts in milliseconds; 0 where the gateway's default holds.

    `attempts` is how often a call is tried: a stream's silence can't be told from its wait for
    the first byte, so the shorter of the two gives way, and a note says to what.
    """
    compiled = TimeoutsConfig()
    for attribute, field, target in _TIMEOUTS:
        duration = getattr(timeouts, attribute, None)
        if duration is None:
            continue
        try:
            setattr(compiled, target, milliseconds(duration))
        except QuantityError as error:
            out.refuse(f"spec.timeouts.{field}", Reason.INVALID, str(error), cure=error.cure)
    if compiled.request_ms and compiled.backend_request_ms > compiled.request_ms:
        out.refuse(
            "spec.timeouts.backendRequest",
            Reason.INVALID,
            "timeouts.backendRequest is longer than timeouts.request, which ends it first",
            cure="make backendRequest at most request",
        )
    ends = [end for end in (compiled.request_ms, compiled.backend_request_ms) if end]
    if ends and compiled.first_byte_ms > min(ends):
        out.refuse(
            "spec.timeouts.firstByte",
            Reason.INVALID,
            "timeouts.firstByte is longer than the attempt or the request, which end first",
            cure="make firstByte at most backendRequest and request",
        )
    wished, kept = compiled.stream_idle_ms, silence_ms(compiled, attempts)
    if wished and kept > wished:
        out.note(
            "spec.timeouts.streamIdle",
            Reason.TIMEOUT_WIDENED,
            f"a silent stream is cut after {kept / 1000:g} s, not {wished / 1000:g} s: until then "
            "one of its attempts may still wait for its first byte",
            cure=f"lower firstByte or maxAttempts, or write streamIdle: {kept / 1000:g}s",
        )
    return compiled
