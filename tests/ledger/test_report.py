"""The report that cost centres are charged by."""

from fractions import Fraction
from pathlib import Path

import pytest
from accounting.samples import START, intent, row
from hypothesis import given
from hypothesis import strategies as st

from bailiwick_contract.money import pico
from bailiwick_sidecar.accounting.model import RowState, Usage
from bailiwick_sidecar.ledger.errors import QueryError
from bailiwick_sidecar.ledger.filters import Filters
from bailiwick_sidecar.ledger.report import report, reported
from bailiwick_sidecar.ledger.rows import Owner
from bailiwick_sidecar.ledger.shares import divided
from bailiwick_sidecar.ledger.store import SqliteLedger
from bailiwick_sidecar.ledger.sums import Grouping, Sums


@pytest.fixture
def paths(tmp_path: Path) -> tuple[Path, Path]:
    """A tenant's two namespaces, in two currencies."""
    found = (tmp_path / "a.db", tmp_path / "b.db")
    euros = [
        row("e1", cost=10**12, intent=intent("e1", cost_center="4711")),
        row("e2", cost=2 * 10**12, state=RowState.UNKNOWN, intent=intent("e2", cost_center="4712")),
        row("e3", cost=1, state=RowState.ESTIMATED, intent=intent("e3", cost_center="4711")),
        row("e4", cost=0, state=RowState.VOID, usage=Usage(), intent=intent("e4", cost_center="9")),
    ]
    later = intent("d1", cost_center="4711", admitted_at=START + 40 * 86_400_000)
    dollars = [row("d1", cost=5, intent=later)]
    for path, currency, rows in zip(found, ("EUR", "USD"), (euros, dollars), strict=True):
        ledger = SqliteLedger(path, Owner("acme", path.stem, currency))
        ledger.write(rows)
        ledger.close()
    return found


def test_what_is_not_sure_is_shown_apart(paths: tuple[Path, Path]) -> None:
    """Cost and number of estimated and unknown rows, the dearest first, currencies apart."""
    found = report(paths, Grouping(["cost_center"]))

    assert [(dict(x.keys)["cost_center"], x.currency, x.cost) for x in found.lines] == [
        ("4712", "EUR", "2.00"), ("4711", "EUR", "1.000000000001"), ("9", "EUR", "0.00"),
        ("4711", "USD", "0.000000000005"),
    ]  # fmt: skip
    unknown, sure, *_ = found.lines
    assert (unknown.unknown, unknown.unknown_cost, unknown.settled_cost) == (1, "2.00", "0.00")
    assert (sure.estimated, sure.estimated_cost, sure.settled_cost) == (1, "0.000000000001", "1.00")
    assert [line.share_percent for line in found.lines] == ["66.67", "33.33", "0.00", "100.00"]
    assert [(total.currency, total.cost, total.attempts) for total in found.totals] == [
        ("EUR", "3.000000000001", 4), ("USD", "0.000000000005", 1),
    ]  # fmt: skip


def test_months_come_in_order(paths: tuple[Path, Path]) -> None:
    """By time, where time is the first key; filters hold."""
    months = report(paths, Grouping(["month", "namespace"]))
    assert [dict(line.keys) for line in months.lines] == [
        {"month": "2025-11", "namespace": "a"}, {"month": "2025-12", "namespace": "b"},
    ]  # fmt: skip

    none = report(paths, Grouping(["month"], Filters(until=0)))
    assert (none.lines, none.totals) == ((), ())
    with pytest.raises(QueryError, match="can't be grouped"):
        report(paths, Grouping(["cost-centre"]))


@given(
    st.dictionaries(
        st.tuples(st.text(max_size=3), st.sampled_from(["EUR", "USD"])),
        st.integers(0, 10**22),
        max_size=20,
    )
)
def test_totals_are_the_sum_of_the_lines(costs: dict[tuple[str, str], int]) -> None:
    """To the last digit, shares included."""
    groups = {}
    for key, amount in costs.items():
        groups[key] = Sums(requests=1)
        groups[key].cost["settled"] = amount
    found = reported(groups, ["team"])

    for total in found.totals:
        lines = [line for line in found.lines if line.currency == total.currency]
        assert sum(pico(line.cost) for line in lines) == pico(total.cost)
        assert sum(pico(line.share_percent) for line in lines) == pico("100")


@given(st.integers(0, 10**30), st.lists(st.integers(0, 10**20), min_size=1))
def test_a_whole_is_divided_exactly(whole: int, weights: list[int]) -> None:
    """Parts add up, none is a unit or more from its share, equal weights differ by one at most."""
    parts = divided(whole, weights)

    assert sum(parts) == whole
    total = sum(weights)
    for part, weight in zip(parts, weights, strict=True):
        share = Fraction(whole * weight, total) if total else Fraction(whole, len(weights))
        assert abs(part - share) < 1
