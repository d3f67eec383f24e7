"""Accounting of one gateway as a whole: recovery, then journal, book, tail and upkeep together."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from bailiwick_sidecar.accounting.attempts import AttemptBook, Ledger, Observer
from bailiwick_sidecar.accounting.errors import JournalUnwritableError
from bailiwick_sidecar.accounting.journal import FileJournal
from bailiwick_sidecar.accounting.logfile import LogFile
from bailiwick_sidecar.accounting.records import Record
from bailiwick_sidecar.accounting.recovery import Counters, Recovered, checkpoint, recover
from bailiwick_sidecar.accounting.tail import ROTATE_BYTES, Tail
from bailiwick_sidecar.quota.model import QuotaStore

log = logging.getLogger(__name__)

Witness = Callable[[Record], None]
"""Told of each record, whatever it is about."""

UPKEEP: Final = 1.0
"""Seconds."""


class Witnessed:
    """The book, with others who are told of each record that it took in."""

    def __init__(self, book: AttemptBook, witnesses: tuple[Witness, ...]) -> None:
        self._book = book
        self._witnesses = witnesses

    @property
    def in_flight(self) -> int:
        """How many attempts are open."""
        return self._book.in_flight

    async def on_record(self, record: Record, mark: int) -> None:
        """Take in a record that begins at this place of the stream."""
        await self._book.on_record(record, mark)
        for witness in self._witnesses:
            witness(record)

    def oldest_held(self) -> int | None:
        """The place of the oldest record that must be read again after a restart."""
        return self._book.oldest_held()


class Accounting:
    """What admission opens attempts in, and what ends them.

    `await recover()` first, then `run()` for as long as the gateway serves, then `close()`.
    """

    def __init__(
        self,
        *,
        journal: FileJournal,
        store: QuotaStore,
        counters: Counters | None,
        ledger: Ledger,
        log_path: Path,
        reopen: Callable[[], Awaitable[None]],
        clock: Callable[[], int],
        observers: tuple[Observer, ...] = (),
        witnesses: tuple[Witness, ...] = (),
        rotate_bytes: int = ROTATE_BYTES,
    ) -> None:
        """Everything wired, nothing read yet.

        Args:
            journal: open, and nobody else's.
            store: the counters that attempts were reserved in.
            counters: the same for checkpoints; None where the store keeps them elsewhere.
            ledger: where rows go.
            log_path: what Envoy writes its records to.
            reopen: asks Envoy to reopen it; see `rotation.EnvoyAdmin`.
            clock: ms since the epoch.
            observers: told of each row and its overshoot in tokens.
            witnesses: told of each record of Envoy, after the book.
            rotate_bytes: the size past which the log is rotated.
        """
        self.journal = journal
        self._store = store
        self._counters = counters
        self._clock = clock
        self._log_path = log_path
        self._reopen = reopen
        self._rotate_bytes = rotate_bytes
        self._witnesses = witnesses
        self._envoy_started_at = 0
        self._tail: Tail | None = None
        self.book = AttemptBook(
            journal=journal,
            store=store,
            ledger=ledger,
            clock=clock,
            observers=observers,
            opened=self._wake,
        )

    @property
    def tail(self) -> Tail:
        """The tail of Envoy's log; there is one after `recover`."""
        assert self._tail is not None
        return self._tail

    async def recover(self) -> Recovered:
        """Rebuild counters and open attempts; the tail begins where the last one was.

        An unwritable journal is no reason not to start: admission denies until it takes records.

        Raises:
            JournalUnreadableError: the counters can't be rebuilt.
        """
        try:
            found = await recover(
                journal=self.journal,
                store=self._store,
                counters=self._counters,
                book=self.book,
                now=self._clock(),
            )
        except JournalUnwritableError as error:
            log.error("event=journal_unwritable error=%r", str(error))  # noqa: TRY400 - a state of the disk, not of the code
            found = Recovered(open=self.book.in_flight, ended=0, garbage=self.journal.garbage)
        self._tail = Tail(
            LogFile(self._log_path, after=self.journal.tailed_to),
            Witnessed(self.book, self._witnesses),
            mark=self.journal.tailed,
            reopen=self._reopen,
            rotate_bytes=self._rotate_bytes,
        )
        log.info(
            "event=recovered open=%d ended=%d garbage=%d", found.open, found.ended, found.garbage
        )
        return found

    def envoy_started(self, at: int, *, now: int) -> None:
        """Note when the Envoy that serves now started (ms): older attempts died with the last.

        `at` and `now` are this host's time. Attempts are admitted by the counters', which a shared
        store says.
        """
        self._envoy_started_at = at + self._clock() - now

    async def run(self) -> None:
        """Follow the log and keep the books until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.tail.run())
            group.create_task(self._keep())

    async def upkeep(self) -> None:
        """Decide what no record will decide, try again what failed, start segments when due."""
        await self.tail.caught_up()
        await self.book.expire(self._clock(), envoy_started_at=self._envoy_started_at)
        await self.book.retry()
        if self.journal.due:
            try:
                checkpoint(self.journal, self._counters, now=self._clock())
            except JournalUnwritableError as error:
                log.warning("event=checkpoint_postponed error=%r", str(error))

    async def close(self) -> None:
        """Take in the last records, and give the files back."""
        if self._tail is not None:
            await self._tail.caught_up()
            await self._tail.keep_up()
            self._tail.close()
        self.journal.close()

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(UPKEEP)
            await self.upkeep()

    def _wake(self) -> None:
        if self._tail is not None:
            self._tail.wake()
