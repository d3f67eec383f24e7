"""What an attempt can cost at most, and which price it is rated with."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bailiwick_contract.errors import BailiwickError
from bailiwick_contract.money import MoneyError, pico, pico_per_token
from bailiwick_contract.v1.tenant_config_pb2 import DatedPrice
from bailiwick_contract.v1.tenant_config_pb2 import Rates as RatesMessage

Rates = tuple[int, int, int, int, int, int, int]
"""Picounits, in the order of `Intent.rates`."""

FREE: Final[Rates] = (0, 0, 0, 0, 0, 0, 0)
ALWAYS: Final = -1


class PriceError(BailiwickError):
    """A price of the config that is none; the message says whose."""


@dataclass(frozen=True, slots=True)
class Price:
    """A price and since when (ms since the epoch) it holds."""

    since: int
    source: str
    rates: Rates

    def bound(self, *, input_: int, output: int, opaque: bool, audio: bool) -> int:
        """Picounits that so many tokens cost at most, of whatever kind they turn out to be."""
        plain, cached, out, cache_write, audio_in, audio_out, request = self.rates
        dearest_in = max(plain, cached, cache_write, audio_in if opaque else 0)
        dearest_out = max(out, audio_out) if audio else out
        return input_ * dearest_in + output * dearest_out + request


def dated_prices(prices: Iterable[DatedPrice], *, where: str) -> tuple[Price, ...]:
    """The prices of one backend, oldest first.

    Raises:
        PriceError: an amount or a time that is none; `where` is part of the message.
    """
    found = []
    for price in prices:
        try:
            since = _moment(price.__getattribute__("from"))
            found.append(Price(since, price.source, _rates(price.rates)))
        except (MoneyError, ValueError) as error:
            raise PriceError(f"{where}, price from {price.source}: {error}") from error
    return tuple(sorted(found, key=lambda price: price.since))


def _moment(text: str) -> int:
    if not text:
        return ALWAYS
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} names no time zone: end it with Z")
    return round(moment.timestamp() * 1000)


def _rates(rates: RatesMessage) -> Rates:
    plain = pico_per_token(rates.input_per_million or "0")
    out = pico_per_token(rates.output_per_million or "0")
    return (
        plain,
        _part(rates.cached_input_per_million, plain),
        out,
        _part(rates.cache_write_per_million, plain),
        _part(rates.input_audio_per_million, plain),
        _part(rates.output_audio_per_million, out),
        pico(rates.per_request or "0"),
    )


def _part(per_million: str, whole: int) -> int:
    return pico_per_token(per_million) if per_million else whole
