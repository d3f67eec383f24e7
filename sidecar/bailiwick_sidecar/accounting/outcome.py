"""What became of an attempt: from its intent and Envoy's records to its row. Pure.

An attempt's own record says what the provider answered; the request's record belongs to its last
attempt and says what the caller got, and the usage that was found. What Envoy 1.40 writes in each
case was tried: docs/ledger.md has the table.
"""

from typing import Final

import msgspec

from bailiwick_contract import rating, tiers
from bailiwick_sidecar.accounting.model import Intent, Row, RowState, Usage
from bailiwick_sidecar.accounting.records import AttemptEnd, RequestEnd, ended_at, flags
from bailiwick_sidecar.accounting.usage import read_tier, read_usage

OK: Final = range(200, 300)
NO_OUTPUT: Final = frozenset({"embeddings", "moderation"})
"""Operations whose usage has input alone."""
CUTS: Final = {
    "DC": "client_disconnect",
    "UT": "timeout",
    "UMSDR": "timeout",
    "SI": "timeout",
    "DT": "timeout",
    "UC": "upstream_cut",
    "UR": "upstream_cut",
    "UPE": "upstream_cut",
    "LR": "upstream_cut",
    "DPE": "client_disconnect",
    "DR": "client_disconnect",
}
"""Envoy's response flags (access log reference, RESPONSE_FLAGS), and what they mean here."""
CLOSED_HERE: Final = "downstream_local_disconnect"
"""How the request's details begin where Envoy itself closed the caller's connection."""
UNSENT: Final = {"UF": "connect_failure", "UH": "no_healthy_upstream", "UO": "overflow"}


NOTHING: Final = Usage()


class Verdict(msgspec.Struct, frozen=True):
    """How it ended, before times are added."""

    state: RowState
    reason: str
    usage: Usage = NOTHING
    cost: int = 0
    service_tier: str = ""


def conclusive(intent: Intent, attempt: AttemptEnd | None, request: RequestEnd | None) -> bool:
    """True where no record that may still come could change the row.

    `request` counts for its last attempt only, and for all of them where none ever left.
    """
    if attempt is not None and attempt.tx == 0 and not attempt.rx:
        return True
    if attempt is not None and attempt.s is not None and attempt.s not in OK:
        return True  # refused, or nothing came: no usage can follow
    if request is None:
        return False
    if attempt is not None or request.n == 0 or "UH" in flags(request):
        return True
    # An attempt's record that is late can't take figures back.
    return request.s in OK and (intent.flat or _figures(intent, request) is not None)


def outcome_of(
    intent: Intent,
    attempt: AttemptEnd | None,
    request: RequestEnd | None,
    *,
    lost: str = "no_record",
) -> Row:
    """The row of an attempt of which no more will be known than this.

    Args:
        intent: what was journalled before it could leave.
        attempt: its own record, where there is one.
        request: the request's record, where this was its last attempt or none ever left.
        lost: why nothing is known, for an attempt without any record.
    """
    verdict = _verdict(intent, attempt, request, lost)
    end = ended_at(attempt)
    if end is None:
        end = ended_at(request)
    if end is None:
        # What never left ended as it began; what is lost may have gone on until its deadline.
        end = intent.admitted_at if verdict.state is RowState.VOID else intent.deadline
    own = attempt if attempt is not None and attempt.d is not None else request
    return Row(
        intent=intent,
        state=verdict.state,
        ended_at=max(intent.admitted_at, end),
        status=_status(attempt, request),
        usage=verdict.usage,
        cost=verdict.cost,
        duration_ms=own.d or 0 if own is not None else 0,
        first_byte_ms=request.fb or 0 if request is not None else 0,
        reason=verdict.reason,
        service_tier=verdict.service_tier,
    )


def _verdict(
    intent: Intent, attempt: AttemptEnd | None, request: RequestEnd | None, lost: str
) -> Verdict:
    if (unsent := _unsent(attempt, request)) is not None:
        return Verdict(RowState.VOID, unsent)
    if attempt is None and request is None:
        return _reserved(intent, RowState.UNKNOWN, lost)
    status = _status(attempt, request)
    if status and status not in OK:
        return Verdict(RowState.SETTLED, "error_status")
    if status and request is None:
        # It answered, and the record that had the figures is gone.
        return _reserved(intent, RowState.ESTIMATED, "record_lost")
    if status and request is not None:
        used = _figures(intent, request)
        reason = "usage_before_cut" if _cut(attempt, request) else "usage"
        if used is None and intent.flat:
            used, reason = NOTHING, "flat"
        if used is not None:
            return _settled(intent, request, reason, used)
    return _estimate(intent, attempt, request)


def _unsent(attempt: AttemptEnd | None, request: RequestEnd | None) -> str | None:
    """Why it is proved that not one byte of it reached a provider; None where it is not."""
    if attempt is not None:
        if attempt.tx != 0 or attempt.rx:
            return None
        seen = flags(attempt)
        return next((reason for flag, reason in UNSENT.items() if flag in seen), "not_sent")
    if request is None:
        return None
    if request.n == 0:
        return "never_left"
    seen = flags(request)
    if "UH" in seen:
        return UNSENT["UH"]  # no host was chosen, so there is no attempt's record either
    # Flags of earlier attempts stay: UF proves it only where there was one.
    return UNSENT["UF"] if "UF" in seen and request.n == 1 else None


def _status(attempt: AttemptEnd | None, request: RequestEnd | None) -> int:
    """What the provider answered; 0 where it did not, or where it is not known."""
    if attempt is not None and attempt.s is not None:
        return attempt.s
    if request is None or request.s is None:
        return 0
    # Other statuses are Envoy's own unless it says that they are not.
    return request.s if request.s in OK or request.c == "via_upstream" else 0


def _figures(intent: Intent, request: RequestEnd) -> Usage | None:
    return read_usage(request.u, needs_output=intent.operation not in NO_OUTPUT).usage


def _cut(attempt: AttemptEnd | None, request: RequestEnd | None) -> str | None:
    seen = flags(request) | flags(attempt)
    if request is not None and (request.c or "").startswith(CLOSED_HERE):
        return "gateway_closed"
    return next((reason for flag, reason in CUTS.items() if flag in seen), None)


def _estimate(intent: Intent, attempt: AttemptEnd | None, request: RequestEnd | None) -> Verdict:
    """What it is charged where it was sent and no figures came.

    A stream: the whole input, and one token for each event with content that was passed on. A
    unary call: its reservation, since a provider finishes and bills what one hangs up on.
    """
    reason = _cut(attempt, request)
    if reason is None and not _status(attempt, request):
        reason = "no_answer"
    if reason is None:
        reason = "bad_usage" if request is not None and request.u is not None else "no_usage"
    if not intent.stream:
        return _reserved(intent, RowState.ESTIMATED, reason)
    events = request.ev or 0 if request is not None else 0
    used = Usage(input=intent.input_bound, output=min(events, intent.output_bound))
    if intent.tiers:
        most = tiers.dearest(intent.terms.possible(), used)
        cost = min(most.cost, intent.cost_bound)
        return Verdict(RowState.ESTIMATED, reason, used, cost, most.mark)
    cost = min(rating.cost(intent.rates, used), intent.cost_bound)
    return Verdict(RowState.ESTIMATED, reason, used, cost)


def _reserved(intent: Intent, state: RowState, reason: str) -> Verdict:
    used = Usage(input=intent.input_bound, output=intent.output_bound)
    if not intent.tiers:
        return Verdict(state, reason, used, intent.cost_bound)
    most = tiers.bound(
        intent.terms, input_bound=intent.input_bound, output_bound=intent.output_bound
    )
    return Verdict(state, reason, used, intent.cost_bound, most.mark)


def _settled(intent: Intent, request: RequestEnd, reason: str, used: Usage) -> Verdict:
    """Settled by figures, at the price of the service tier that the answer names."""
    if not intent.tiers:
        return Verdict(RowState.SETTLED, reason, used, rating.cost(intent.rates, used))
    found = tiers.charged(intent.terms, read_tier(request.u), used)
    return Verdict(
        RowState.SETTLED, reason if found.sure else "unknown_tier", used, found.cost, found.mark
    )
