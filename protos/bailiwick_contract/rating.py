"""What tokens cost: exact, in picounits. The operator validates with it, the agent charges with it.

Rates are a tuple of picounits, in this order: per input, cached input, output, cache write, audio
input and audio output token, and per request. Cached input, cache writes and audio input are
parts of the input, audio output is a part of the output; a part that has no price of its own
costs what the whole does. Reasoning is output like any other.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from bailiwick_contract.errors import BailiwickError
from bailiwick_contract.money import MoneyError, pico, pico_per_token
from bailiwick_contract.v1.tenant_config_pb2 import DatedPrice
from bailiwick_contract.v1.tenant_config_pb2 import Rates as RatesMessage

RateTuple = tuple[int, int, int, int, int, int, int]
"""Picounits; the order is in the module's docstring."""

TierRates = tuple[tuple[str, RateTuple], ...]
"""Rates of service tiers beside the standard one, by name."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class RatingError(BailiwickError):
    """A price that can't be charged; the message names the field."""


class TokenCounts(Protocol):
    """Tokens of one attempt by kind."""

    @property
    def input(self) -> int:
        """All input tokens."""
        ...

    @property
    def output(self) -> int:
        """All output tokens."""
        ...

    @property
    def cached_input(self) -> int:
        """Those of the input that came from a cache."""
        ...

    @property
    def cache_write(self) -> int:
        """Those of the input that were written to a cache."""
        ...

    @property
    def audio_input(self) -> int:
        """Those of the input that were audio."""
        ...

    @property
    def audio_output(self) -> int:
        """Those of the output that were audio."""
        ...


@dataclass(frozen=True, slots=True)
class Price:
    """Rates, where they were found, and since when they hold (ms since the epoch; 0: always)."""

    source: str
    since: int
    rates: RateTuple
    per_image: int = 0
    """Picounits for each image made, on top of the rates."""
    tiers: TierRates = ()
    """What the model's other service tiers cost (see tiers.py)."""


class PriceList:
    """The prices of one model over time, compiled once."""

    __slots__ = ("_prices", "_since", "tiered")

    def __init__(self, prices: Iterable[DatedPrice]) -> None:
        """The list in order of time; of two prices of the same moment the later one holds.

        Raises:
            RatingError: a price or a time that is none.
        """
        self._prices = sorted((_price(message) for message in prices), key=lambda p: p.since)
        self._since = [price.since for price in self._prices]
        self.tiered = any(price.tiers for price in self._prices)
        """At some time another service tier than the standard one has a price."""

    def __bool__(self) -> bool:
        return bool(self._prices)

    def at(self, at_ms: int) -> Price | None:
        """The last price not after this moment (ms since the epoch); None: unpriced then."""
        place = bisect_right(self._since, at_ms)
        return self._prices[place - 1] if place else None


def price_at(prices: Iterable[DatedPrice], at_ms: int) -> Price | None:
    """The last price not after this moment (ms since the epoch); None: unpriced then.

    For what asks once. What asks for each call keeps a `PriceList`.

    Raises:
        RatingError: a price or a time that is none.
    """
    return PriceList(prices).at(at_ms)


def resolve(rates: RatesMessage) -> RateTuple:
    """The message as picounits, with its fallbacks filled in.

    Raises:
        RatingError: a rate is no decimal, negative, or too fine to be exact.
    """
    input_rate = _per_token(rates, "input_per_million", 0)
    output_rate = _per_token(rates, "output_per_million", 0)
    return (
        input_rate,
        _per_token(rates, "cached_input_per_million", input_rate),
        output_rate,
        _per_token(rates, "cache_write_per_million", input_rate),
        _per_token(rates, "input_audio_per_million", input_rate),
        _per_token(rates, "output_audio_per_million", output_rate),
        _not_negative("per_request", rates.per_request, pico) if rates.per_request else 0,
    )


def with_images(rates: RateTuple, images_cost: int) -> RateTuple:
    """The rates of one call whose images cost this many picounits beside its price per request."""
    return (*rates[:6], rates[6] + images_cost)


def cost(rates: RateTuple, tokens: TokenCounts) -> int:
    """What one attempt cost in picounits.

    Parts that add up to more than their whole are counted up to the whole, audio first, then
    cache writes, then cached input: no answer costs more than its tokens could.
    """
    input_rate, cached_rate, output_rate, write_rate, audio_rate, speech_rate, per_request = rates
    rest = tokens.input
    audio = min(tokens.audio_input, rest)
    rest -= audio
    written = min(tokens.cache_write, rest)
    rest -= written
    cached = min(tokens.cached_input, rest)
    rest -= cached
    speech = min(tokens.audio_output, tokens.output)
    return (
        per_request
        + rest * input_rate
        + cached * cached_rate
        + written * write_rate
        + audio * audio_rate
        + speech * speech_rate
        + (tokens.output - speech) * output_rate
    )


def upper_bound(rates: RateTuple, *, input_bound: int, output_bound: int) -> int:
    """The most that an attempt within these bounds (tokens) can cost, in picounits."""
    input_rate, cached_rate, output_rate, write_rate, audio_rate, speech_rate, per_request = rates
    return (
        input_bound * max(input_rate, cached_rate, write_rate, audio_rate)
        + output_bound * max(output_rate, speech_rate)
        + per_request
    )


def moment_ms(timestamp: str) -> int:
    """Milliseconds since the epoch of an RFC 3339 timestamp; empty: 0, always.

    Raises:
        RatingError: it is no timestamp, or has no offset from UTC.
    """
    if not timestamp:
        return 0
    try:
        moment = datetime.fromisoformat(timestamp)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise RatingError(
            f"from {timestamp!r} is no RFC 3339 time: write it like 2026-08-01T00:00:00Z"
        )
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _price(message: DatedPrice) -> Price:
    try:
        # `from` is a keyword of Python, so the field has no other way in.
        rates = message.rates
        each = _not_negative("per_image", rates.per_image, pico) if rates.per_image else 0
        tiers = tuple((tier.name, resolve(tier.rates)) for tier in message.service_tiers)
        since = moment_ms(getattr(message, "from"))
        return Price(message.source, since, resolve(rates), each, tiers)
    except RatingError as error:
        raise RatingError(f"price {message.source!r}: {error}") from error


def _per_token(rates: RatesMessage, field: str, absent: int) -> int:
    text: str = getattr(rates, field)
    return _not_negative(field, text, pico_per_token) if text else absent


def _not_negative(field: str, text: str, read: "_Reader") -> int:
    try:
        amount = read(text)
    except MoneyError as error:
        raise RatingError(f"{field}: {error}") from error
    if amount < 0:
        raise RatingError(f"{field}: {text!r} is negative: a price is 0 or more")
    return amount


class _Reader(Protocol):
    def __call__(self, text: str, /) -> int: ...
