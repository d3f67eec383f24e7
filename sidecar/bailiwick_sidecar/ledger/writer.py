"""Rows on their way to the ledger: in batches, in a thread of their own, from memory or journal.

Rows come from memory while the ledger keeps up. When it does not, nothing is kept in memory past
a bound: the journal has every row, and the writer reads them back from there.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from bailiwick_sidecar.accounting.lines import Position
from bailiwick_sidecar.accounting.model import Row
from bailiwick_sidecar.accounting.replay import Cursor, Recorded
from bailiwick_sidecar.ledger.errors import LedgerUnavailableError
from bailiwick_sidecar.ledger.store import RowSink

log = logging.getLogger(__name__)

BATCH: Final = 500
"""Rows in one transaction at most."""
LINGER: Final = 0.2
"""Seconds that a row waits for others."""
KEPT: Final = 5_000
"""Rows in memory at most."""
BACKOFF: Final = (0.2, 5.0)
"""Seconds after the first failure, and at most."""


class RowSource(Protocol):
    """The journal, as the writer needs it; used from its thread."""

    @property
    def directory(self) -> Path:
        """Where a cursor reads."""
        ...

    @property
    def end(self) -> Position:
        """The place after the last record."""
        ...

    @property
    def shipped_to(self) -> Position:
        """The place up to which all rows are in the ledger."""
        ...

    def shipped(self, position: Position) -> None:
        """Note that all rows before this place are in the ledger."""
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How the writer stands."""

    written: int
    """Rows that the ledger has taken since the start; some may have come twice."""
    waiting: int
    """Rows in memory."""
    behind: bool
    """True while rows are read back from the journal."""
    shipped: bool
    """True where the ledger has every row that was offered, and all that the journal has."""
    failing_since: float | None
    """Monotonic seconds since when the ledger takes nothing; None while it does."""
    failing_at: float | None = None
    """The same moment, POSIX seconds."""
    failing_words: str = ""
    """Why it takes nothing."""
    oldest: int | None = None
    """When the oldest row that the ledger did not take yet ended, ms since the epoch; None: there
    is none in hand."""


class LedgerWriter:
    """Hands rows to the ledger. `offer` never waits and never fails."""

    def __init__(
        self,
        sink: RowSink,
        journal: RowSource,
        *,
        batch: int = BATCH,
        linger: float = LINGER,
        kept: int = KEPT,
        backoff: tuple[float, float] = BACKOFF,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """A writer that begins with what the journal has and the ledger may lack."""
        self._sink = sink
        self._journal = journal
        self._batch = batch
        self._linger = linger
        self._kept = kept
        self._backoff = backoff
        self._monotonic = monotonic
        self._wall = wall
        self._rows: deque[Recorded] = deque()
        self._live = False
        self._writing = False
        self._written = 0
        self._failing_since: float | None = None
        self._failing_at: float | None = None
        self._words = ""
        self._oldest: int | None = None
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)

    def start(self) -> None:
        """Begin to write; the journal must have been recovered."""
        self._thread.start()

    def offer(self, row: Row, position: Position) -> None:
        """Take the row, recorded before this place, or leave it to be read from the journal."""
        with self._changed:
            if not self._live:
                return
            if len(self._rows) >= self._kept:
                self._live = False  # this row and what follows is read back from the journal
                return
            self._rows.append(Recorded(row=row, position=position))
            if len(self._rows) == self._batch:
                self._changed.notify()

    def progress(self) -> Progress:
        """How it stands."""
        with self._changed:
            return Progress(
                written=self._written,
                waiting=len(self._rows),
                behind=not self._live,
                shipped=self._live and not self._rows and not self._writing,
                failing_since=self._failing_since,
                failing_at=self._failing_at,
                failing_words=self._words,
                oldest=self._oldest,
            )

    def close(self, within: float = 5.0) -> bool:
        """Write what is there and stop; False where the ledger did not take it in time.

        What it did not take is in the journal and follows with the next start.
        """
        self._closing.set()
        with self._changed:
            self._changed.notify()
        self._thread.join(within)
        return not self._thread.is_alive() and self._failing_since is None

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                self._catch_up()
                self._follow()
            if self._failing_since is None:
                self._catch_up()
        finally:
            self._sink.close()

    def _catch_up(self) -> None:
        """Writes what the journal has, until memory can take over."""
        cursor = Cursor(self._journal.directory, self._journal.shipped_to)
        while True:
            try:
                rows = cursor.read(self._batch)
            except OSError as error:
                log.error("event=journal_unreadable error=%s", error)  # noqa: TRY400 - a state of the disk, not of the code
                if self._closing.wait(self._backoff[1]):
                    return
                continue
            if rows and not self._write(rows):
                return
            with self._changed:
                done = cursor.place == self._journal.end
                self._live = done and not self._closing.is_set()
            if done:
                self._journal.shipped(cursor.place)  # older segments hold nothing any more
                return

    def _follow(self) -> None:
        """Writes what is offered, until it is too much or the writer is closed."""
        while True:
            with self._changed:
                if len(self._rows) < self._batch and not self._closing.is_set():
                    self._changed.wait(self._linger)
                if not self._rows and (self._closing.is_set() or not self._live):
                    self._live = False
                    return
                rows = [self._rows.popleft() for _ in range(min(self._batch, len(self._rows)))]
                self._writing = bool(rows)
            taken = not rows or self._write(rows)
            with self._changed:
                self._writing = False
                if not taken:
                    self._live = False
                    self._rows.clear()
                    return

    def _write(self, rows: Sequence[Recorded]) -> bool:
        """Writes a batch however long it takes; False where the writer is closed before."""
        pause = self._backoff[0]
        self._oldest = rows[0].row.ended_at
        while True:
            try:
                self._sink.write([recorded.row for recorded in rows])
            except LedgerUnavailableError as error:
                self._words = str(error)
                if self._failing_since is None:
                    self._failing_at = self._wall()
                    self._failing_since = self._monotonic()
                    log.warning("event=ledger_unavailable error=%r", str(error))
                if self._closing.wait(pause):
                    return False
                pause = min(2 * pause, self._backoff[1])
            else:
                break
        if self._failing_since is not None:
            self._failing_since = self._failing_at = None
            self._words = ""
            log.info("event=ledger_back")
        self._oldest = None
        self._written += len(rows)
        self._journal.shipped(rows[-1].position)
        return True
