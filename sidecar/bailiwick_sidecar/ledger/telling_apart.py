"""Which key a row or a line of an invoice belongs to, by one name for both. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

MARK: Final = "#"
"""In where a key lies, before its field; no provider's name and no id has it."""


@dataclass(frozen=True, slots=True)
class Keys:
    """How keys are named where the ledger is put beside a file.

    `told` is what --key says: a key's id in the file, and in the ledger where that key lies (with
    or without `@` and version), its id on rows, or the provider whose only key it is.
    """

    told: Mapping[str, str] = field(default_factory=dict)
    apart: bool = False
    """False: every key is the same, and has no name."""

    def of_line(self, key: str) -> str:
        """The name of the key with this id in the file."""
        return self.told.get(key, key) if self.apart else ""

    def of_row(self, provider: str, key: str, key_id: str) -> str:
        """The name of a row's key.

        What --key says of the key itself comes before the id on the row, that before what --key
        says of its provider; else it is where the key lies.
        """
        if not self.apart:
            return ""
        targets = self.told.values()
        for place in (key, key.rpartition("@")[0]):
            if place and place in targets:
                return place
        if key_id:
            return self.told.get(key_id, key_id)
        return short(provider) if short(provider) in targets or not key else key


def short(provider: str) -> str:
    """The name without its kind."""
    return provider if MARK in provider else provider.rsplit("/", 1)[-1]
