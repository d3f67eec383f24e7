"""One line of a provider's export, whatever the provider."""

from dataclasses import dataclass

from bailiwick_contract.errors import BailiwickError


class InvoiceError(BailiwickError):
    """A file that can't be read as what it was said to be; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Billed:
    """What was billed or used on one day (UTC) for one model and key.

    None: the line says nothing about it. `cached_input` is a part of `input`. Money in picounits.
    """

    day: str
    model: str
    key: str = ""
    input: int | None = None
    cached_input: int | None = None
    output: int | None = None
    cost: int | None = None
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Export:
    """All of a file. `skipped` lines are about something else; `more`: further pages follow."""

    lines: tuple[Billed, ...]
    skipped: int = 0
    more: bool = False
