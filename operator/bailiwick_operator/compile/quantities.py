"""Durations and amounts of money as the resources write them."""

import re

from bailiwick_contract.errors import BailiwickError
from bailiwick_contract.money import decimal_string, pico, pico_per_token

MAX_UINT32 = 2**32 - 1

_DURATION = re.compile(r"(?:[0-9]{1,5}(?:h|ms|m|s)){1,4}\Z", re.ASCII)
_COMPONENT = re.compile(r"([0-9]+)(h|ms|m|s)", re.ASCII)
_FACTOR = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_DECIMAL = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,12})?\Z", re.ASCII)


class QuantityError(BailiwickError):
    """A figure that can't be read; `cure` says how to write it."""

    def __init__(self, message: str, *, cure: str) -> None:
        super().__init__(message)
        self.cure = cure


def milliseconds(duration: str) -> int:
    """Milliseconds of a duration such as `30s` or `1m30s` (GEP-2257), at least 1.

    Raises:
        QuantityError: it is no such duration, zero, or longer than 49 days.
    """
    if not _DURATION.match(duration):
        raise QuantityError(
            f"{_shown(duration)} is no duration", cure="write it like 30s, 1m30s or 500ms"
        )
    total = sum(int(count) * _FACTOR[unit] for count, unit in _COMPONENT.findall(duration))
    if total == 0:
        raise QuantityError(
            f"{duration} is no time at all", cure="leave the field out to get the default"
        )
    if total > MAX_UINT32:
        raise QuantityError(f"{duration} is longer than 49 days", cure="choose a shorter one")
    return total


def budget(amount: str) -> str:
    """The amount in its one canonical form: equal amounts give equal strings.

    Raises:
        QuantityError: it is no plain, non-negative decimal.
    """
    return decimal_string(pico(_decimal(amount)))


def rate(price: str) -> str:
    """A price per million tokens in canonical form.

    Raises:
        QuantityError: it is no plain, non-negative decimal, or has more than six decimals.
    """
    try:
        return decimal_string(pico_per_token(_decimal(price)) * 1_000_000)
    except QuantityError:
        raise
    except BailiwickError as error:
        raise QuantityError(
            f"{price} has more than six decimals", cure="round it to six decimals"
        ) from error


def _decimal(text: str) -> str:
    if not _DECIMAL.match(text):
        raise QuantityError(
            f"{_shown(text)} is no amount of money",
            cure='write a decimal string with at most 12 digits each side, like "12.50"',
        )
    return text


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "…")  # noqa: PLR2004  # a line's worth
