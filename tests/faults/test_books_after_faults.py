"""The books after kills, pauses and lies; and that no mistake in them would go unseen."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from bench.faults.evidence import Evidence, Row
from bench.faults.plan import STORE, FaultKind, calls, faults
from bench.faults.report import judge, lines

STATES = ("settled", "estimated", "void", "unknown")


def test_every_check_of_a_short_run_holds(evidence: Evidence) -> None:
    """Nothing lost, nothing double, no false refusal, no error that no fault explains."""
    verdict = judge(evidence)

    assert verdict.holds, "\n".join(lines(verdict))
    assert len(evidence.seen) == 400
    assert len(evidence.faults) >= 5, "the run ended before its faults"
    assert {"settled", "estimated"} <= {row["state"] for row in evidence.rows}


def sample(evidence: Evidence) -> list[Row]:
    """Some rows of each state that there is."""
    chooser = random.Random(evidence.seed)
    found: list[Row] = []
    for state in STATES:
        rows = [row for row in evidence.rows if row["state"] == state]
        found += chooser.sample(rows, min(3, len(rows)))
    return found


def with_rows(evidence: Evidence, rows: list[Row]) -> Evidence:
    return replace(evidence, rows=rows)


def changed(evidence: Evidence, row: Row, **figures: Any) -> Evidence:
    """The evidence with other figures in one row."""
    others = [one for one in evidence.rows if one is not row]
    return with_rows(evidence, [*others, {**row, **figures}])


def test_a_deleted_row_is_found(evidence: Evidence) -> None:
    """A row that is missing is seen, whatever its state."""
    for row in sample(evidence):
        without = with_rows(evidence, [one for one in evidence.rows if one is not row])
        broken = judge(without).broken
        assert "tokens reserved" in broken, row["state"]
        if row["state"] in {"settled", "estimated"}:
            assert "  of them without a row (lost)" in broken


def test_a_row_that_is_there_twice_is_found(evidence: Evidence) -> None:
    """One attempt has one row."""
    for row in sample(evidence):
        twice = with_rows(evidence, [*evidence.rows, dict(row)])
        assert "rows that are there twice (double)" in judge(twice).broken


def dearer(row: Row) -> dict[str, Any]:
    """One more output token, with its price."""
    return {
        "output_tokens": row["output_tokens"] + 1,
        "total_tokens": row["total_tokens"] + 1,
        "cost": str(Decimal(row["cost"]) + Decimal("0.000002")),
    }


LIES: dict[str, Callable[[Row], dict[str, Any]]] = {
    "a token more, at its price": dearer,
    "another cost": lambda row: {"cost": str(Decimal(row["cost"]) + Decimal("0.000001"))},
    "another input": lambda row: {"input_tokens": row["input_tokens"] + 1},
    "less reserved": lambda row: {"reserved_input_tokens": row["reserved_input_tokens"] - 1},
    "another user": lambda row: {"user": "u0" if row["user"] != "u0" else "u1"},
    "another attempt": lambda row: {"attempt": row["attempt"] + 1},
    "another call": lambda row: {"tags": {}},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_changed_figure_is_found(evidence: Evidence, lie: str) -> None:
    """No figure of any row can be another one."""
    for row in sample(evidence):
        assert not judge(changed(evidence, row, **LIES[lie](row))).holds, row["state"]


def test_a_row_that_claims_another_state_is_found(evidence: Evidence) -> None:
    """What a provider answered is neither void nor unknown, and what none saw is not settled."""
    for row in sample(evidence):
        if row["state"] in {"settled", "estimated"}:
            assert not judge(changed(evidence, row, state="void")).holds
        else:
            assert not judge(changed(evidence, row, state="settled", reason="usage")).holds


def invented(evidence: Evidence) -> Iterator[Row]:
    """Rows of attempts that nobody made."""
    for row in sample(evidence):
        yield {**row, "stream_id": "00000000-0000-4000-8000-000000000000"}


def test_a_row_that_nobody_saw_is_found(evidence: Evidence) -> None:
    """An attempt that is in no journal has no row."""
    for row in invented(evidence):
        more = with_rows(evidence, [*evidence.rows, row])
        assert "tokens reserved" in judge(more).broken


def test_a_false_refusal_is_found(evidence: Evidence) -> None:
    """A caller who is refused under an empty counter is one too many."""
    rule = next(rule for rule in evidence.rules if rule.id.endswith("each-user#tokensPerMinute"))
    first = min(evidence.seen, key=lambda seen: seen.sent)
    refused = replace(
        first,
        call=-1,
        sent=first.sent - 1,
        ended=first.sent - 0.9,
        status=429,
        code="rate_limit_exceeded",
        request_id="",
        limit={"id": rule.id, "used": rule.amount, "requested": first.bytes + first.cap},
    )
    verdict = judge(replace(evidence, seen=[*evidence.seen, refused]))

    assert verdict.broken == {"  of them false"}


def test_a_reservation_above_its_limit_is_found(evidence: Evidence) -> None:
    """Had the limit been smaller than what was admitted, it would show."""
    rules = [
        replace(rule, amount="1") if rule.id.endswith("each-user#requestsPerSecond") else rule
        for rule in evidence.rules
    ]

    assert "reservations that exceeded a limit" in judge(replace(evidence, rules=rules)).broken


def test_an_error_without_a_fault_is_found(evidence: Evidence) -> None:
    """A 503 that no fault explains is an error of the gateway's own."""
    last = max(evidence.seen, key=lambda seen: seen.ended)
    later = {"call": -1, "sent": last.ended + 60, "ended": last.ended + 61}
    odd = replace(last, **later, kind="plain", status=503, code="upstream_unavailable")
    verdict = judge(replace(evidence, seen=[*evidence.seen, odd]))

    assert verdict.broken == {"errors not caused by a fault"}


def test_a_seed_repeats_its_calls_and_faults() -> None:
    """The same seed asks and breaks the same; another one does not."""
    assert calls(5, 50) == calls(5, 50)
    assert calls(5, 50) != calls(6, 50)
    assert faults(5, 10_000, every=300) == faults(5, 10_000, every=300)


def test_a_long_run_has_every_fault() -> None:
    """Each kind comes up, clocks last; a store's faults only where there is one."""
    planned = faults(1, 10_000, every=300)
    together = faults(1, 10_000, every=300, shared=True)

    assert {fault.kind for fault in planned} == set(FaultKind) - STORE
    assert {fault.kind for fault in together} == set(FaultKind)
    assert {fault.target for fault in together} >= {"0", "1"}
    assert [fault.kind for fault in planned[-2:]] == [FaultKind.CLOCK_AHEAD, FaultKind.CLOCK_BACK]
