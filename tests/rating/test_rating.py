"""Tokens and prices to picounits, exactly."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick_contract.money import pico
from bailiwick_contract.rating import (
    PriceList,
    RateTuple,
    RatingError,
    cost,
    moment_ms,
    price_at,
    resolve,
    upper_bound,
    with_images,
)
from bailiwick_contract.v1.tenant_config_pb2 import DatedPrice, Rates


@dataclass(frozen=True)
class Tokens:
    input: int = 0
    output: int = 0
    cached_input: int = 0
    cache_write: int = 0
    audio_input: int = 0
    audio_output: int = 0


ALL = Rates(
    input_per_million="1.00",
    cached_input_per_million="0.10",
    output_per_million="10.00",
    cache_write_per_million="1.25",
    input_audio_per_million="40.00",
    output_audio_per_million="80.00",
    per_request="0.01",
)


def dated(since: str, source: str, price: str = "1.00") -> DatedPrice:
    return DatedPrice(**{"from": since}, source=source, rates=Rates(input_per_million=price))


def test_rates_resolve_to_picounits_in_order() -> None:
    """Per input, cached input, output, cache write, audio input, audio output, and per request."""
    assert resolve(ALL) == (
        1_000_000,
        100_000,
        10_000_000,
        1_250_000,
        40_000_000,
        80_000_000,
        10**10,
    )


def test_a_kind_without_a_price_costs_what_it_is_part_of() -> None:
    """Cached and audio input and cache writes as input, audio output as output."""
    rates = resolve(Rates(input_per_million="2", output_per_million="3"))

    assert rates == (2_000_000, 2_000_000, 3_000_000, 2_000_000, 2_000_000, 3_000_000, 0)


def test_a_price_of_zero_is_a_price() -> None:
    """A cache that is free is not priced as input; nothing at all is free."""
    rates = resolve(Rates(input_per_million="2", cached_input_per_million="0"))

    assert rates == (2_000_000, 0, 0, 2_000_000, 2_000_000, 0, 0)
    assert resolve(Rates()) == (0,) * 7


@pytest.mark.parametrize(
    ("rates", "words"),
    [
        (Rates(input_per_million="-1"), "input_per_million: '-1' is negative"),
        (Rates(output_per_million="0.1234567"), "output_per_million: .*more than six decimals"),
        (Rates(per_request="cheap"), "per_request: .*no decimal"),
        (Rates(cached_input_per_million="NaN"), "cached_input_per_million"),
    ],
)
def test_a_rate_that_is_none_is_refused_by_name(rates: RateTuple, words: str) -> None:
    """The message names the field."""
    with pytest.raises(RatingError, match=words):
        resolve(rates)


def test_every_kind_costs_its_own_rate() -> None:
    """Parts are charged at their price, and the rest of the whole at the whole's."""
    tokens = Tokens(
        input=1000, cached_input=400, cache_write=100, audio_input=50, output=200, audio_output=30
    )

    expected = (
        pico("0.01")
        + 450 * 1_000_000
        + 400 * 100_000
        + 100 * 1_250_000
        + 50 * 40_000_000
        + 170 * 10_000_000
        + 30 * 80_000_000
    )
    assert expected == cost(resolve(ALL), tokens)


def test_a_worked_example() -> None:
    """12,000 input of which 10,000 cached, 800 output, at 0.25, 0.025 and 2.00 a million."""
    rates = resolve(
        Rates(input_per_million="0.25", cached_input_per_million="0.025", output_per_million="2.00")
    )

    assert pico("0.00235") == cost(rates, Tokens(input=12_000, cached_input=10_000, output=800))


RATE = st.integers(0, 10**8)
RATES = st.tuples(RATE, RATE, RATE, RATE, RATE, RATE, RATE)
COUNT = st.integers(0, 10**6)


@given(RATES, st.builds(Tokens, COUNT, COUNT, COUNT, COUNT, COUNT, COUNT), COUNT, COUNT)
def test_no_usage_within_the_bounds_costs_more_than_the_upper_bound(
    rates: RateTuple, tokens: Tokens, more: int, most: int
) -> None:
    """Also where a provider's parts add up to more than their whole."""
    bound = upper_bound(rates, input_bound=tokens.input + more, output_bound=tokens.output + most)

    assert 0 <= cost(rates, tokens) <= bound


@given(RATES, COUNT, COUNT)
def test_the_upper_bound_can_be_reached(rates: RateTuple, inputs: int, outputs: int) -> None:
    """It is no higher than the dearest way to use the bounds."""
    dearest = max(
        cost(rates, Tokens(input=inputs, output=outputs, **{part: inputs, speech: outputs}))
        for part in ("cached_input", "cache_write", "audio_input")
        for speech in ("audio_output", "output")
        if speech != "output"
    )
    plain = cost(rates, Tokens(input=inputs, output=outputs))
    texts = [
        cost(rates, Tokens(input=inputs, output=outputs, **{part: inputs}))
        for part in ("cached_input", "cache_write", "audio_input")
    ]
    speech = cost(rates, Tokens(input=inputs, output=outputs, audio_output=outputs))

    assert max(dearest, plain, speech, *texts) == upper_bound(
        rates, input_bound=inputs, output_bound=outputs
    )


def test_the_price_of_the_day() -> None:
    """The last price not after the moment holds, from its first ms."""
    prices = [
        dated("2026-08-01T00:00:00Z", "august"),
        dated("", "always"),
        dated("2026-09-01T00:00:00+02:00", "september"),
    ]
    august, september = moment_ms("2026-08-01T00:00:00Z"), moment_ms("2026-08-31T22:00:00Z")

    moments = [0, august - 1, august, september - 1, september, september * 2]
    found = [price_at(prices, moment).source for moment in moments]

    assert found == ["always", "always", "august", "august", "september", "september"]


def test_before_the_first_price_there_is_none() -> None:
    """Unpriced then, and with no price at all: not free."""
    prices = PriceList([dated("2026-08-01T00:00:00Z", "august")])

    assert prices.at(moment_ms("2026-07-31T23:59:59.999Z")) is None
    assert price_at([], 0) is None
    assert not PriceList([])


def test_of_two_prices_of_one_moment_the_later_written_holds() -> None:
    """Order decides where time does not."""
    prices = [dated("2026-08-01T00:00:00Z", "a"), dated("2026-08-01T02:00:00+02:00", "b")]

    assert price_at(prices, moment_ms("2026-08-01T00:00:00Z")).source == "b"


@pytest.mark.parametrize(
    "since", ["yesterday", "2026-08-01", "2026-08-01T00:00:00", "2026-13-01T00:00:00Z"]
)
def test_a_time_that_is_none_is_refused(since: str) -> None:
    """A price names its source and says how a time is written."""
    with pytest.raises(RatingError, match=r"price 'book'.*write it like"):
        PriceList([dated(since, "book")])


def test_images_are_a_part_of_one_calls_price() -> None:
    """Each costs its price, to the picounit, beside tokens and request."""
    message = Rates(output_per_million="2", per_request="0.001", per_image="0.000000000001")
    price = price_at([DatedPrice(source="s", rates=message)], 0)
    assert price is not None

    rates = with_images(price.rates, 3 * price.per_image)

    assert (price.per_image, rates[:6], rates[6]) == (1, price.rates[:6], 10**9 + 3)
    bad = DatedPrice(source="s", rates=Rates(per_image="-1"))
    with pytest.raises(RatingError, match="per_image"):
        PriceList([bad])
