"""Which service tier's price an attempt is charged, and what that says of its source."""

import pytest
from rating.test_rating import Tokens

from bailiwick_contract.rating import PriceList, resolve
from bailiwick_contract.tiers import Terms, bound, charged, named, told
from bailiwick_contract.v1.tenant_config_pb2 import DatedPrice, Rates, ServiceTier

RATES = resolve(Rates(input_per_million="1"))
FLEX = resolve(Rates(input_per_million="0.5"))
FAST = resolve(Rates(input_per_million="2"))
TIERS = (("flex", FLEX), ("priority", FAST))
USED = Tokens(input=10)


@pytest.mark.parametrize(
    ("asked", "answered", "rate", "mark"),
    [
        ("", "", 1, ""),
        ("", "default", 1, ""),
        ("", "priority", 2, "priority"),
        ("", "scale", 2, "scale~priority"),
        ("", 'a"b\n', 2, "other~priority"),
        ("", "x" * 33, 2, "other~priority"),
        ("default", "", 1, ""),
        ("default", "standard", 1, ""),
        ("default", "priority", 2, "priority"),
        ("flex", "flex", 0.5, "flex"),
        ("flex", "default", 1, ""),
        ("flex", "", 1, ""),
        ("priority", "priority", 2, "priority"),
        ("priority", "default", 1, ""),
        ("priority", "", 2, "priority"),
        ("priority", "auto", 2, "priority"),
    ],
)
def test_the_answer_decides(asked: str, answered: str, rate: float, mark: str) -> None:
    """One that names no tier is what was asked for, or the dearer of that and the standard one."""
    found = charged(Terms(RATES, TIERS, asked), answered, USED)

    assert (found.cost, found.mark) == (10 * rate * 10**6, mark)
    assert found.sure == ("~" not in mark)


def test_where_the_standard_tier_is_the_dearest_it_is_taken_for_an_unknown_one() -> None:
    """And named."""
    found = charged(Terms(RATES, (("flex", FLEX),)), "scale", USED)

    assert (found.cost, found.mark) == (10 * 10**6, "scale~default")


@pytest.mark.parametrize(("asked", "rate"), [("", 2), ("default", 1), ("flex", 1), ("gone", 2)])
def test_the_bound_is_that_of_the_tiers_that_may_serve(asked: str, rate: int) -> None:
    """A tier that lost its price meanwhile is bounded by all that have one."""
    most = bound(Terms(RATES, TIERS, asked), input_bound=10, output_bound=10)

    assert most.cost == 10 * rate * 10**6


def test_a_source_says_its_tier() -> None:
    """The one that served, whatever it was charged by."""
    assert named("PriceBook/list/large", "") == "PriceBook/list/large"
    assert named("PriceBook/list/large", "flex") == "PriceBook/list/large#flex"
    assert told("PriceBook/list/large") == ""
    assert told("PriceBook/list/large#flex") == "flex"
    assert told("PriceBook/list/large#scale~flex") == "scale"


def test_a_price_list_knows_whether_it_has_tiers() -> None:
    """At any time: what asks for each call asks no further where it has none."""
    plain = DatedPrice(source="s", rates=Rates(input_per_million="1"))
    other = ServiceTier(name="flex", rates=Rates(input_per_million="0.5"))
    later = DatedPrice(**{"from": "2026-01-01T00:00:00Z"}, rates=plain.rates, service_tiers=[other])

    assert not PriceList([plain]).tiered
    both = PriceList([plain, later])
    assert both.tiered
    assert [price.tiers for at in (0, 2**42) if (price := both.at(at))] == [(), (("flex", FLEX),)]
