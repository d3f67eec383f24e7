"""Money as whole picounits (10⁻¹² of a currency unit): exact, ordered, cheap to add.

A price per million tokens with up to six decimals is a whole number of picounits per token, so
no cost is ever rounded.
"""

from decimal import Decimal

from bailiwick_contract.errors import BailiwickError

PICO = 10**12


class MoneyError(BailiwickError):
    """A decimal string that is not an amount of money."""


def pico(amount: str) -> int:
    """Picounits of a decimal string such as "5000.00".

    Raises:
        MoneyError: it is no plain decimal, or finer than a picounit.
    """
    try:
        scaled = Decimal(amount) * PICO
    except ArithmeticError as error:
        raise MoneyError(f'{amount!r} is no decimal amount: write it like "12.50"') from error
    if not scaled.is_finite() or scaled != scaled.to_integral_value():
        raise MoneyError(f"{amount!r} is finer than 10⁻¹²: use fewer decimals")
    return int(scaled)


def pico_per_token(per_million: str) -> int:
    """Picounits per token of a decimal price per million tokens.

    Raises:
        MoneyError: more than six decimals, or no decimal.
    """
    each, rest = divmod(pico(per_million), 1_000_000)
    if rest:
        raise MoneyError(f"price {per_million!r} per million has more than six decimals")
    return each


def decimal_string(picounits: int) -> str:
    """The amount as a plain decimal string, at least two decimals, no exponent."""
    sign, digits = ("-", -picounits) if picounits < 0 else ("", picounits)
    whole, fraction = divmod(digits, PICO)
    return f"{sign}{whole}.{f'{fraction:012d}'.rstrip('0').ljust(2, '0')}"
