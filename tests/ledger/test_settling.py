"""Unknown rows and what an invoice says of them."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick_sidecar.invoices.model import Billed, InvoiceError
from bailiwick_sidecar.ledger.adjusting import Standing
from bailiwick_sidecar.ledger.drift import Cell, Drift, Names, Told, by_model, compared
from bailiwick_sidecar.ledger.settling import settled
from bailiwick_sidecar.ledger.sums import Sums
from bailiwick_sidecar.ledger.telling_apart import Keys

ONE = Fraction(1)
CELL = Cell("2025-11-21", "gpt-5-mini", "")
NONE = Names({}, Keys(), frozenset({"gpt-5-mini"}))


def unknown(name: str, cost: int, taken: int = 100, given_: int = 50) -> Standing:
    return Standing("acme", name, 1, 0, "unknown", taken, given_, "list", "", cost)


def drift(
    rows: list[Standing], *, known: int, billed: int | None, tokens: tuple[int, int] | None = None
) -> Drift:
    """A cell whose known rows cost `known` and have 1,000 input and 500 output tokens."""
    sums = Sums(
        input=1000 + sum(row.input_tokens for row in rows),
        output=500 + sum(row.output_tokens for row in rows),
    )
    sums.cost.update(settled=known, unknown=sum(row.cost for row in rows))
    sums.count.update(settled=1, unknown=len(rows))
    taken, given_ = tokens or (None, None)
    return Drift(CELL, sums, Told(taken, None, given_, billed))


def outcome(found: Drift, rows: list[Standing]) -> list[tuple[str, int, int, int]]:
    made = settled(found, rows, threshold=ONE, made_at=1, note="n")
    assert {(one.after.state, one.reason, one.after.revision) for one in made} <= {
        ("settled", "reconciled", 1)
    }
    after = [one.after for one in made]
    return [(one.stream_id, one.cost, one.input_tokens, one.output_tokens) for one in after]


def test_what_is_left_of_the_invoice_is_divided_by_what_was_reserved() -> None:
    """Money and tokens, to the last unit."""
    rows = [unknown("a", 200), unknown("b", 100)]
    found = drift(rows, known=1000, billed=1100, tokens=(1150, 501))

    assert outcome(found, rows) == [("a", 67, 75, 1), ("b", 33, 75, 0)]


def test_what_was_not_billed_costs_nothing() -> None:
    """And tokens stay as reserved where the files do not speak of them."""
    rows = [unknown("a", 200)]
    assert outcome(drift(rows, known=1000, billed=1000), rows) == [("a", 0, 100, 50)]


@pytest.mark.parametrize("billed", [None, 980, 1300])
def test_a_drift_that_is_not_theirs_settles_nothing(billed: int | None) -> None:
    """Less than the known rows, or more than all could have cost, or no money at all."""
    rows = [unknown("a", 200)]
    assert outcome(drift(rows, known=1000, billed=billed), rows) == []


@pytest.mark.parametrize(("billed", "cost"), [(991, 0), (1211, 200)])
def test_within_the_threshold_the_ends_count(billed: int, cost: int) -> None:
    """A per cent below is nothing, a per cent above is all that was reserved."""
    rows = [unknown("a", 200)]
    assert [one[1] for one in outcome(drift(rows, known=1000, billed=billed), rows)] == [cost]


@given(
    st.lists(st.integers(0, 10**15), min_size=1, max_size=8),
    st.integers(0, 10**18),
    st.fractions(0, 1),
)
def test_after_settling_the_cell_agrees_to_the_last_digit(
    costs: list[int], known: int, part: Fraction
) -> None:
    """Whatever was billed between none and all of what was reserved."""
    rows = [unknown(str(i), cost) for i, cost in enumerate(costs)]
    billed = known + int(sum(costs) * part)
    made = settled(drift(rows, known=known, billed=billed), rows, threshold=ONE, made_at=1, note="")

    assert known + sum(one.after.cost for one in made) == billed
    assert all(0 <= one.after.cost <= one.before.cost + 1 for one in made)


def told(line: Billed, names: Names = NONE, **options: object) -> list[Drift]:
    said = {"currency": "USD", "rate": None, **options}
    return compared([line], {CELL: Sums(input=5)}, names, **said)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name", ["gpt-5-mini", "gpt-5-mini-2025-08-07", "gpt-5-mini-20250807", "GPT 5 mini"]
)
def test_models_are_found_by_other_spellings(name: str) -> None:
    """The date of a release and separators make no other model."""
    assert [one.cell for one in told(Billed("2025-11-21", name, input=5, output=0))] == [CELL]


def test_other_models_and_other_keys_stand_for_themselves() -> None:
    """What the ledger does not have is drift, not lost; a mapping says what it is."""
    line = Billed("2025-11-21", "o9", "key_9", input=5, output=0)
    keyed = replace(NONE, keys=Keys({"key_1": "openai-eu"}, apart=True))
    assert [one.cell.model for one in told(line)] == ["gpt-5-mini", "o9"]
    assert [one.percent() for one in told(line)] == [100, 100]
    assert ("o9", "key_9") in [(one.cell.model, one.cell.key) for one in told(line, keyed)]
    mapped = replace(NONE, models={"o9": "gpt-5-mini"})
    assert [one.percent() for one in told(line, mapped)] == [0]


def test_money_of_another_currency_needs_a_rate() -> None:
    """Without one it is not compared; two currencies at once are refused."""
    line = Billed("2025-11-21", "gpt-5-mini", cost=100, currency="EUR")
    assert told(line)[0].told.cost is None
    assert told(line, rate=Fraction("1.1"))[0].told.cost == 110
    with pytest.raises(InvoiceError, match="EUR, USD"):
        compared([line, replace(line, currency="USD")], {}, NONE, currency="USD", rate=None)


def test_a_model_is_judged_over_the_whole_period() -> None:
    """A call around midnight that is billed a day later is no drift."""
    sums = Sums()
    sums.cost["settled"] = 100
    line = Billed("2025-11-22", "gpt-5-mini", cost=100, currency="USD")
    drifts = compared([line], {CELL: sums}, NONE, currency="USD", rate=None)

    assert [one.percent() for one in drifts] == [100, 100]
    assert [one.percent() for one in by_model(drifts)] == [0]
