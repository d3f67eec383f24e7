"""The books after kills, pauses and lies; and that no mistake in them would go unseen."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bench.faults.check_books import CONSERVED, PRICED, SUMMED
from bench.faults.check_errors import UNEXPLAINED
from bench.faults.check_limits import EXCEEDED, FALSE
from bench.faults.check_rows import DOUBLE, LOST, OWN_IDS, OWNED, UNKNOWN
from bench.faults.evidence import Evidence, Fault, Row, load
from bench.faults.kinds import FaultKind
from bench.faults.report import judge, lines, summary
from faults.conftest import Left

STATES = ("settled", "estimated", "void", "unknown")


def test_every_check_of_a_short_run_holds(evidence: Evidence) -> None:
    """Nothing lost, nothing double, no false refusal, no error that no fault explains."""
    verdict = judge(evidence)

    assert verdict.holds, "\n".join(lines(verdict))
    assert len(evidence.seen) == 400
    assert len(evidence.faults) >= 5, "the run ended before its faults"
    assert {"settled", "estimated"} <= {row["state"] for row in evidence.rows}
    assert {"replay", "duplicate"} <= {seen.repeat for seen in evidence.seen}


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
        assert CONSERVED in broken, row["state"]
        if row["state"] in {"settled", "estimated"}:
            assert LOST in broken


def test_a_row_that_is_there_twice_is_found(evidence: Evidence) -> None:
    """One attempt has one row."""
    for row in sample(evidence):
        twice = with_rows(evidence, [*evidence.rows, dict(row)])
        assert DOUBLE in judge(twice).broken


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
    "another tenant": lambda row: {"tenant": "other"},
    "another namespace": lambda row: {"namespace": "elsewhere"},
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


def test_a_row_that_claims_to_be_unknown_is_found(evidence: Evidence) -> None:
    """Only what was in flight when Envoy died or a clock was moved may be unknown."""
    quiet = replace(evidence, faults=[])
    settled = next(row for row in evidence.rows if row["state"] == "settled")

    assert UNKNOWN in judge(changed(quiet, settled, state="unknown")).broken


def invented(evidence: Evidence) -> Iterator[Row]:
    """Rows of attempts that nobody made."""
    for row in sample(evidence):
        yield {**row, "stream_id": "00000000-0000-4000-8000-000000000000"}


def test_a_row_that_nobody_saw_is_found(evidence: Evidence) -> None:
    """An attempt that is in no journal has no row."""
    for row in invented(evidence):
        more = with_rows(evidence, [*evidence.rows, row])
        assert CONSERVED in judge(more).broken


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

    assert verdict.broken == {FALSE}


def test_a_reservation_above_its_limit_is_found(evidence: Evidence) -> None:
    """Had the limit been smaller than what was admitted, it would show."""
    rules = [
        replace(rule, amount="1") if rule.id.endswith("each-user#requestsPerSecond") else rule
        for rule in evidence.rules
    ]

    assert EXCEEDED in judge(replace(evidence, rules=rules)).broken


def odd_later(evidence: Evidence, *faults: FaultKind, target: str = "") -> Evidence:
    """The evidence with a 503 at gateway 0 a minute after its end, during these faults."""
    last = max(evidence.seen, key=lambda seen: seen.ended)
    at = last.ended + 60
    odd = replace(
        last, call=-1, sent=at, ended=at + 1, kind="plain", status=503, request_id="",
        code="upstream_unavailable", end="complete", gateway=0, repeat="",
    )  # fmt: skip
    meanwhile = [
        Fault(kind=kind.value, target=target, began=at, lifted=at + 1, recovered=at + 1)
        for kind in faults
    ]
    return replace(evidence, seen=[*evidence.seen, odd], faults=[*evidence.faults, *meanwhile])


def test_an_error_without_a_fault_is_found(evidence: Evidence) -> None:
    """A 503 that no fault explains is an error of the gateway's own."""
    assert judge(odd_later(evidence)).broken == {UNEXPLAINED}


def test_a_fault_explains_what_it_can_cause_and_nothing_else(full: Left) -> None:
    """A dead agent explains its own gateway's errors; a dead ledger, network or collector none."""
    evidence = full.evidence
    for kind in (FaultKind.KILL_DATABASE, FaultKind.KILL_COLLECTOR, FaultKind.CUT_NETWORK):
        assert judge(odd_later(evidence, kind)).broken == {UNEXPLAINED}
    assert judge(odd_later(evidence, FaultKind.KILL_AGENT, target="1")).broken == {UNEXPLAINED}
    assert judge(odd_later(evidence, FaultKind.KILL_AGENT, target="0")).holds


FOUND_BY = {
    "deleted": {LOST, CONSERVED},
    "doubled": {DOUBLE},
    "another tenant's": {OWNED},
    "given to another tenant": {LOST, OWNED},
    "dearer": {PRICED},
    "dearer in sums": {SUMMED},
}


@pytest.mark.parametrize("lie", FOUND_BY)
def test_a_falsified_database_is_found(full: Left, lie: str) -> None:
    """Rows deleted, doubled, changed or moved in PostgreSQL itself, read as a tenant reads them."""
    found = full.falsified[lie]
    evidence = replace(
        full.evidence, rows=found.rows, strangers=found.strangers, summed=found.summed
    )
    verdict = judge(evidence)

    assert FOUND_BY[lie] <= verdict.broken


def test_batches_came_twice_and_count_once(full: Left) -> None:
    """The run lost answers after the commit: rows were sent again, and are there once."""
    assert full.evidence.delivered_again
    assert judge(full.evidence).line(DOUBLE).wrong == ()


def test_a_replay_that_is_not_charged_is_found(evidence: Evidence) -> None:
    """A gateway that took over its caller's x-request-id would have one row for two calls."""
    replayed = next(
        seen for seen in evidence.seen if seen.repeat == "replay" and seen.status == 200
    )
    others = [seen for seen in evidence.seen if seen is not replayed]
    stolen = replace(replayed, request_id=replayed.said_id)

    assert OWN_IDS in judge(replace(evidence, seen=[*others, stolen])).broken


def test_what_is_kept_is_judged_alike(evidence: Evidence, tmp_path: Path) -> None:
    """Evidence that was saved says the same, in the same words."""
    evidence.save(tmp_path / "evidence.json")
    again = load(tmp_path / "evidence.json")

    assert again == evidence
    assert list(summary(again, judge(again))) == list(summary(evidence, judge(evidence)))
