"""Admission's and the journal's view of accounting and ledger."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from bailiwick_sidecar.accounting.lines import Position
from bailiwick_sidecar.accounting.model import Intent, Row
from bailiwick_sidecar.accounting.service import Accounting
from bailiwick_sidecar.keyring import Degraded
from bailiwick_sidecar.quota.model import AttemptKey

if TYPE_CHECKING:
    from bailiwick_sidecar.ledger.writer import LedgerWriter, Progress

PATIENCE_S: Final = 5.0
"""A ledger that takes nothing for less is restarting, and no news."""


@dataclass(frozen=True, slots=True)
class Books:
    """The accounts that admission works with (see admission/ports.py)."""

    accounting: Accounting

    async def open(self, intent: Intent) -> None:
        """Journal the intent; after this the attempt may leave.

        Raises:
            JournalUnwritableError: it must not leave.
        """
        await self.accounting.book.open(intent)

    async def abandon(self, key: AttemptKey) -> None:
        """Void an open attempt whose admission was told to nobody."""
        await self.accounting.book.abandon(key)

    async def ended(self, key: AttemptKey, timeout: float) -> bool:  # noqa: ASYNC109 -- the book's own signature
        """True as soon as the attempt has its row, False after `timeout` seconds without."""
        return await self.accounting.book.ended(key, timeout)

    async def caught_up(self) -> None:
        """Return when every record that Envoy had written by now has been settled."""
        await self.accounting.tail.caught_up()


class LateLedger:
    """A ledger that may open after the first rows: the journal has them until then."""

    def __init__(self) -> None:
        self._writer: LedgerWriter | None = None

    def open(self, writer: "LedgerWriter") -> None:
        """Give rows to this writer from here on."""
        self._writer = writer

    def offer(self, row: Row, position: Position) -> None:
        """Take the row, recorded before this place of the journal, or leave it to be re-read."""
        if self._writer is not None:
            self._writer.offer(row, position)

    def failing(self) -> bool:
        """True while the ledger takes nothing."""
        return self._writer is not None and self._writer.progress().failing_since is not None

    def shipped(self) -> bool:
        """True where the ledger has every row that was recorded."""
        progress = self.progress()
        return progress is not None and progress.shipped

    def words(self) -> str:
        """Why the ledger takes nothing; empty where it does."""
        progress = self.progress()
        return progress.failing_words if progress is not None else ""

    def degraded(self) -> tuple[Degraded, ...]:
        """That the ledger takes nothing for some time now, where it does not."""
        progress = self.progress()
        if progress is None or progress.failing_since is None or progress.failing_at is None:
            return ()
        if time.monotonic() - progress.failing_since < PATIENCE_S:
            return ()
        since = datetime.fromtimestamp(progress.failing_at, UTC).isoformat(timespec="seconds")
        return (Degraded("ledger", "Failing", since, progress.failing_words),)

    def progress(self) -> "Progress | None":
        """How the writer stands; None before there is one."""
        return self._writer.progress() if self._writer is not None else None

    def close(self) -> None:
        """Write what is there and stop."""
        if self._writer is not None:
            self._writer.close()
