"""Which attempt left with which version of a key. Pure bookkeeping, bounded."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from bailiwick_sidecar.quota.model import AttemptKey
from bailiwick_sidecar.secrets import KeyRef

MAX_LOANS: Final = 20_000
"""Beyond, the oldest is forgotten: then its answer says nothing about a key."""


@dataclass(frozen=True, slots=True)
class Loan:
    """A version of a key that an attempt left with."""

    ref: KeyRef
    serial: int


class Loans:
    """Loans of attempts under way, and of those that were refused a moment ago."""

    def __init__(self) -> None:
        self._open: OrderedDict[AttemptKey, Loan] = OrderedDict()
        self._refused: OrderedDict[AttemptKey, Loan] = OrderedDict()

    def lend(self, attempt: AttemptKey, loan: Loan) -> None:
        """The attempt leaves with this."""
        self._open[attempt] = loan
        if len(self._open) > MAX_LOANS:
            self._open.popitem(last=False)

    def end(self, attempt: AttemptKey) -> Loan | None:
        """The attempt has ended."""
        return self._open.pop(attempt, None)

    def refuse(self, attempt: AttemptKey) -> Loan | None:
        """The provider did not take the key; None where that is known, or the attempt is not."""
        loan = self._open.pop(attempt, None)
        if loan is not None:
            self._refused[attempt] = loan
            if len(self._refused) > MAX_LOANS:
                self._refused.popitem(last=False)
        return loan

    def settle(self, attempt: AttemptKey) -> Loan | None:
        """What a refused attempt had left with, asked for once."""
        return self._refused.pop(attempt, None)
