"""Durations and money: one meaning for each text, or a refusal."""

import pytest

from bailiwick_operator.compile.quantities import QuantityError, budget, milliseconds, rate


@pytest.mark.parametrize(
    ("text", "expected"),
    [("30s", 30_000), ("1m30s", 90_000), ("500ms", 500), ("2h", 7_200_000), ("1m1ms", 60_001)],
)
def test_a_duration_has_milliseconds(text: str, expected: int) -> None:
    """Hours, minutes, seconds and milliseconds, in any order."""
    assert milliseconds(text) == expected


@pytest.mark.parametrize(
    "text", ["", "30", "1.5s", "-1s", "1d", "s", "0s", "99999h", "\uff11s", "1s\n"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Zero and what has no unit, too."""
    with pytest.raises(QuantityError):
        milliseconds(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5000.00", "5000.00"), ("5000", "5000.00"), ("0.000000000001", "0.000000000001")],
)
def test_equal_amounts_are_equal_texts(text: str, expected: str) -> None:
    """A budget has one canonical form."""
    assert budget(text) == expected


@pytest.mark.parametrize("text", ["", "-1", "1e3", "1e999999999", "NaN", ".5", "1,5", "1_0", "٣"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    """Only digits with at most one point."""
    with pytest.raises(QuantityError):
        budget(text)
    with pytest.raises(QuantityError):
        rate(text)


def test_a_rate_is_a_whole_number_of_picounits_per_token() -> None:
    """Six decimals per million at most."""
    assert rate("0.000001") == "0.000001"
    with pytest.raises(QuantityError):
        rate("0.0000001")
