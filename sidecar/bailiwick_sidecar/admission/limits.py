"""Counters as callers see them: headers, messages, JSON."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from bailiwick_contract.money import decimal_string
from bailiwick_sidecar.admission.answer import Headers
from bailiwick_sidecar.admission.errors import Refusal
from bailiwick_sidecar.quota.model import (
    Amounts,
    Denial,
    DenialReason,
    LimitKind,
    LimitState,
)

REQUESTS: Final = frozenset({LimitKind.REQUESTS_PER_SECOND, LimitKind.REQUESTS_PER_MINUTE})
TOKENS: Final = frozenset({LimitKind.TOKENS_PER_MINUTE, LimitKind.TOKENS_PER_MONTH})
MONEY: Final = frozenset({LimitKind.BUDGET_DAY, LimitKind.BUDGET_MONTH})
QUOTAS: Final = MONEY | {LimitKind.TOKENS_PER_MONTH}
"""Kinds that are used up rather than gone past: `insufficient_quota`, as OpenAI says it."""

NOTHING_ALLOWED_RETRY: Final = 3600
"""Seconds to wait where the limit is 0: only an edit of it helps, so no client should try soon."""

UNITS: Final = {
    LimitKind.REQUESTS_PER_SECOND: "requests per second",
    LimitKind.REQUESTS_PER_MINUTE: "requests per minute",
    LimitKind.TOKENS_PER_MINUTE: "tokens per minute",
    LimitKind.CONCURRENT_REQUESTS: "concurrent requests",
    LimitKind.TOKENS_PER_MONTH: "tokens per month",
    LimitKind.BUDGET_DAY: "per day",
    LimitKind.BUDGET_MONTH: "per month",
}


def denied(denial: Denial, *, amounts: Amounts, currency: str, now: int) -> Refusal:
    """The refusal for a denial: the limit that makes the caller wait longest, and for how long.

    What can never fit is 400 `request_exceeds_limit`, which no client retries.
    """
    state = denial.limits[0]
    asked = _asked(state.kind, amounts)
    facts = {**described(state, currency=currency), "requested": _figure(state, asked)}
    headers = rate_headers(denial.states, now=now)
    used = f"{_shown(state, state.used, currency)} of {_shown(state, state.limit, currency)}"
    needs = _shown(state, asked, currency)
    opening = f"Limit {state.limit_id}{_whose(state)}: {used} {UNITS[state.kind]}"
    if denial.reason is DenialReason.TOO_MANY_SUBJECTS:
        return Refusal(
            "rate_limit_exceeded",
            f"Limit {state.limit_id} counts each subject by itself and has no counter free for"
            " one more. Try again shortly.",
            retry_after=seconds(denial.retry_after, now=now),
            limit=facts,
            headers=headers,
        )
    code = "insufficient_quota" if state.kind in QUOTAS else "rate_limit_exceeded"
    type_ = "tokens" if state.kind is LimitKind.TOKENS_PER_MINUTE else None
    if state.limit == 0:
        return Refusal(
            code,
            f"Limit {state.limit_id}{_whose(state)} allows nothing. Ask whoever set it.",
            type=type_,
            retry_after=NOTHING_ALLOWED_RETRY,
            limit=facts,
            headers=headers,
        )
    if denial.retry_after is None:
        return Refusal(
            "request_exceeds_limit",
            f"{opening} are in use, and this request alone needs up to {needs}, more than the"
            " limit. Send a shorter input or a lower max_completion_tokens.",
            param="max_completion_tokens",
            limit=facts,
            headers=headers,
        )
    wait = seconds(denial.retry_after, now=now)
    return Refusal(
        code,
        f"{opening} are in use, and this request needs up to {needs}. Try again in {wait} s.",
        type=type_,
        retry_after=wait,
        limit=facts,
        headers=headers,
    )


def rate_headers(states: Iterable[LimitState], *, now: int) -> Headers:
    """`x-ratelimit-…` of the tightest request and token limits that are enforced.

    Tightest is the one with the smallest share left. The reset is when it would be whole again.
    """
    headers: list[tuple[str, str]] = []
    for name, kinds in (("requests", REQUESTS), ("tokens", TOKENS)):
        counted = [state for state in states if state.kind in kinds and not state.shadow]
        if not counted:
            continue
        state = counted[0]
        if len(counted) > 1:
            state = min(counted, key=lambda state: state.remaining / max(state.limit, 1))
        headers += (
            (f"x-ratelimit-limit-{name}", str(state.limit)),
            (f"x-ratelimit-remaining-{name}", str(state.remaining)),
            (f"x-ratelimit-reset-{name}", duration(state.resets_at - now)),
        )
    return tuple(headers)


def duration(milliseconds: int) -> str:
    """A duration in the form of OpenAI's reset headers: `120ms`, `1s`, `6m0s`, `1h0m0s`."""
    if milliseconds < 1000:  # noqa: PLR2004 -- milliseconds in a second
        return f"{max(milliseconds, 0)}ms"
    minutes, rest = divmod(-(-milliseconds // 1000), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def seconds(moment: int | None, *, now: int) -> int:
    """Whole seconds from now to a moment (ms), rounded up and at least 1: `Retry-After`."""
    return max(1, -(-((moment or now) - now) // 1000))


def described(state: LimitState, *, currency: str) -> dict[str, object]:
    """One counter as JSON: whole numbers for counts, decimal strings for money."""
    return {
        "id": state.limit_id,
        "kind": state.kind.value,
        "subject": dict(state.subject),
        "unit": currency if state.kind in MONEY else UNITS[state.kind].partition(" per ")[0],
        "mode": "Shadow" if state.shadow else "Enforce",
        "limit": _figure(state, state.limit),
        "used": _figure(state, state.used),
        "remaining": _figure(state, state.remaining),
        "resets_at": moment(state.resets_at),
    }


def moment(milliseconds: int) -> str:
    """RFC 3339 in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")


def _figure(state: LimitState, amount: int) -> int | str:
    return decimal_string(amount) if state.kind in MONEY else amount


def _shown(state: LimitState, amount: int, currency: str) -> str:
    return f"{decimal_string(amount)} {currency}" if state.kind in MONEY else f"{amount:,}"


def _asked(kind: LimitKind, amounts: Amounts) -> int:
    if kind in MONEY:
        return amounts.cost
    return amounts.tokens if kind in TOKENS else 1


def _whose(state: LimitState) -> str:
    subject: Sequence[str] = [f"{name} {value}" for name, value in state.subject]
    return f" of {', '.join(subject)}" if subject else ""
