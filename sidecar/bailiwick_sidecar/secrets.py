"""Providers' keys: in memory only, of a type that cannot be printed."""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final, NoReturn, Protocol

MAX_KEY: Final = 8192
_PURPOSE: Final = b"bailiwick: which version of a key"


class Secret:
    """A key. Only `reveal()` gives it; it has no text form, no hash and cannot be pickled."""

    __slots__ = ("_print", "_value")
    __hash__ = None  # type: ignore[assignment]  # unhashable on purpose: a dict's key is printable

    def __init__(self, value: str) -> None:
        self._value = value
        self._print = ""

    def reveal(self) -> str:
        """The key itself, for the one header it belongs into."""
        return self._value

    @property
    def fingerprint(self) -> str:
        """Eight hex digits that two keys hardly share, and that lead back to neither.

        32 bits of a one-way function that is keyed with the key itself (RFC 2104): of a key that
        nobody could guess anyway, nothing.
        """
        if not self._print:
            made = hmac.new(self._value.encode(), _PURPOSE, hashlib.sha256)
            self._print = made.hexdigest()[:8]
        return self._print

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __repr__(self) -> str:
        return "Secret(…)"

    def __format__(self, _: str) -> str:
        return repr(self)

    def __reduce_ex__(self, _: object) -> NoReturn:
        raise TypeError("a Secret cannot be pickled or copied")


def is_sendable(value: str) -> bool:
    """True where the text can stand in a header and cannot break out of it."""
    return (
        0 < len(value) <= MAX_KEY and value.isascii() and value.isprintable() and " " not in value
    )


@dataclass(frozen=True, slots=True)
class KeyRef:
    """Where a key is found: KV mount, path below it and field."""

    mount: str
    path: str
    field: str


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no such key; `reason` says what to do about it and holds no secret."""

    reason: str
    code: str = "credential_unavailable"
    """Of admission/errors.py: what a caller is told where nothing else could serve him."""


class KeySource(Protocol):
    """Keys as they are now. Looked up for each attempt, so that a rotated key is used at once."""

    def get(self, ref: KeyRef) -> Secret | Absent:
        """The key, or why it is absent. Never blocks and never raises."""
        ...
