"""Following Envoy's log: each record reaches the book within a few milliseconds.

Envoy flushes every 5 ms, so while attempts are open the file is read every 5 to 10 ms: one `read`
that finds nothing or a batch. While none are, it is read four times a second. This needs no
inotify, of which a node has few instances for all of its containers.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Final, Protocol

from bailiwick_sidecar.accounting.errors import LogUnavailableError
from bailiwick_sidecar.accounting.lines import TailMark
from bailiwick_sidecar.accounting.logfile import LogFile
from bailiwick_sidecar.accounting.records import Record, parse, salvage

log = logging.getLogger(__name__)

FLUSH: Final = 0.005
"""Seconds between two flushes of Envoy (`--file-flush-interval-msec`)."""
BUSY: Final = 0.005
"""Seconds between two reads while attempts are open."""
QUIET: Final = 0.01
"""The same where the last record came more than RECENT seconds ago."""
RECENT: Final = 0.5
IDLE: Final = 0.25
"""Seconds between two reads while none is open."""
UPKEEP: Final = 1.0
"""Seconds between looks at the file's name and size, and between marks."""
ROTATE_BYTES: Final = 64 << 20


Lines = list[tuple[int, bytes]]


class Records(Protocol):
    """Who the records are for."""

    @property
    def in_flight(self) -> int:
        """How many attempts are open: whether records are to be expected."""
        ...

    async def on_record(self, record: Record, mark: int) -> None:
        """Take in a record that begins at this place of the stream."""
        ...

    def oldest_held(self) -> int | None:
        """The place of the oldest record that must be read again after a restart."""
        ...


class Tail:
    """Reads the log until it is cancelled. Records reach the book in their order, one at a time."""

    def __init__(
        self,
        file: LogFile,
        book: Records,
        *,
        mark: Callable[[TailMark], None],
        reopen: Callable[[], Awaitable[None]],
        rotate_bytes: int = ROTATE_BYTES,
    ) -> None:
        """A tail at the place that the file begins at.

        Args:
            file: what Envoy writes to.
            book: who the records are for.
            mark: keeps a place for the next start; called at most once a second.
            reopen: asks Envoy to reopen its log; may raise LogUnavailableError.
            rotate_bytes: the size past which the log is rotated.
        """
        self.records = 0
        self.malformed = 0
        self._file = file
        self._book = book
        self._mark = mark
        self._reopen = reopen
        self._rotate_bytes = rotate_bytes
        self._reading = asyncio.Lock()
        self._turns = 0
        self._wanted = asyncio.Event()
        self._upkeep = 0.0
        self._asked = 0.0
        self._heard = 0.0

    def wake(self) -> None:
        """Say that an attempt has opened."""
        self._wanted.set()

    def close(self) -> None:
        """Gives the files back."""
        self._file.close()

    async def run(self) -> None:
        """Follow the log until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self.drain()
            if loop.time() >= self._upkeep:
                await self.keep_up()
                hurry = self._book.in_flight and self._file.waits
                self._upkeep = loop.time() + (BUSY if hurry else UPKEEP)
            if self._book.in_flight:
                await asyncio.sleep(BUSY if loop.time() < self._heard + RECENT else QUIET)
                continue
            self._wanted.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDLE):
                    await self._wanted.wait()

    async def caught_up(self, within: float = 1.0) -> bool:
        """True when all that Envoy had written up to now is accounted for.

        What it had not flushed it flushes within one interval, so two are waited. False where
        that took longer than `within` seconds.
        """
        try:
            async with asyncio.timeout(within):
                await asyncio.sleep(2 * FLUSH)
                await self.drain()
        except TimeoutError:
            return False
        return True

    async def drain(self) -> None:
        """Hand over every whole line that the file has.

        A caller that is cancelled leaves it running: a batch once read is handed over whole.
        """
        lines = [] if self._turns else self._lines()
        if lines or self._turns:
            await self._in_turn(self._drain(lines))

    async def keep_up(self) -> None:
        """Rotate where it is time, follow the file's name, and mark the place."""
        await self._in_turn(self._follow())
        try:
            await self._ask()
        except LogUnavailableError as error:
            log.warning("event=log_not_rotated error=%r", str(error))

    async def _ask(self) -> None:
        """Asks Envoy for a new file where the path names none, at most once a second."""
        now = asyncio.get_running_loop().time()
        if self._file.waits and now >= self._asked + UPKEEP:
            self._asked = now
            await self._reopen()

    async def _in_turn(self, work: Coroutine[None, None, None]) -> None:
        """Does the work after all that was begun before, to its end even if nobody waits."""
        self._turns += 1
        await asyncio.shield(asyncio.ensure_future(self._turn(work)))

    async def _turn(self, work: Coroutine[None, None, None]) -> None:
        # Tasks start, and get the lock, in the order in which they were made.
        async with self._reading:
            try:
                await work
            finally:
                self._turns -= 1

    async def _drain(self, lines: Lines) -> None:
        """Hands over these lines, read when it was nobody's turn, and all that follow."""
        await self._hand_all_over(lines)
        await self._read_all()

    async def _follow(self) -> None:
        try:
            if self._file.follow():
                await self._read_all()
            if self._file.size >= self._rotate_bytes:
                self._file.rotate()
        except OSError as error:
            log.warning("event=log_not_rotated error=%r", str(error))
        held = self._book.oldest_held()
        self._mark(self._file.mark(self._file.place if held is None else held))

    async def _read_all(self) -> None:
        while lines := self._lines():
            await self._hand_all_over(lines)

    async def _hand_all_over(self, lines: Lines) -> None:
        self._heard = asyncio.get_running_loop().time()
        for place, line in lines:
            await self._hand_over(place, line)

    def _lines(self) -> Lines:
        try:
            return self._file.read()
        except OSError as error:
            log.warning("event=log_unreadable error=%s", error)
            return []

    async def _hand_over(self, place: int, line: bytes) -> None:
        record = parse(line)
        if record is None:
            self.malformed += 1
            log.warning("event=record_malformed bytes=%d", len(line))
            record = salvage(line)
            if record is None:
                return
        self.records += 1
        try:
            await self._book.on_record(record, place)
        except Exception:
            # One record must not stop all that come after it; its attempt expires.
            log.exception("event=record_failed id=%s", record.id)
