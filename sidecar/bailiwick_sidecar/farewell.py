"""How a gateway ends: first its calls, then their rows; and what is left of either until then."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bailiwick_sidecar.accounting.journal import FileJournal
from bailiwick_sidecar.accounting.replay import Cursor
from bailiwick_sidecar.accounting.service import Accounting
from bailiwick_sidecar.books import LateLedger
from bailiwick_sidecar.envoy_process import envoy_listens

log = logging.getLogger(__name__)

DRAIN_SECONDS: Final = 5.0
"""How long the end waits for attempts under way; Envoy normally ended before."""
LOOK_SECONDS: Final = 0.05
COUNT_SECONDS: Final = 2.0
"""Between two counts of rows at least: each reads what the ledger lacks of the journal."""
SHARE: Final = 10
"""A count that took long is not repeated before so many times its duration."""
BATCH: Final = 5_000


@dataclass(frozen=True, slots=True)
class Remainder:
    """What is left to do where no call is taken any more."""

    in_flight: int
    shipped: bool
    """The ledger has the row of every attempt that ended."""
    rows: int
    """Those that it has not, as counted some seconds ago."""
    place: str
    """Where they are until then."""

    @property
    def nothing(self) -> bool:
        """True where the gateway may go and nothing is lost."""
        return self.shipped and not self.in_flight


class Farewell:
    """Ends attempts, has rows shipped, and says what is left; `admin` is Envoy's admin socket."""

    def __init__(
        self,
        accounting: Accounting,
        ledger: LateLedger,
        *,
        admin: Path,
        clock: Callable[[], int],
    ) -> None:
        self._accounting = accounting
        self._ledger = ledger
        self._admin = admin
        self._clock = clock
        self._rows = 0
        self._next_count = 0.0

    def remainder(self) -> Remainder:
        """What is left now; the number of rows as of the last `count`."""
        book = self._accounting.book
        shipped = self._ledger.shipped() and not book.unwritten
        return Remainder(
            in_flight=book.in_flight,
            shipped=shipped,
            rows=0 if shipped else self._rows,
            place=str(self._accounting.journal.directory),
        )

    async def count(self) -> Remainder:
        """What is left now, with its rows counted anew where the last count is not fresh."""
        began = time.monotonic()
        if not self.remainder().shipped and began >= self._next_count:
            waiting = self._accounting.book.unwritten
            self._rows = waiting + await asyncio.to_thread(_unshipped, self._accounting.journal)
            ended = time.monotonic()
            self._next_count = ended + max(COUNT_SECONDS, SHARE * (ended - began))
        return self.remainder()

    async def settle(self, seconds: float = DRAIN_SECONDS) -> None:
        """Wait for attempts under way, so that their rows say what they used.

        Where Envoy is gone, what it left no record of has ended as well: it is `unknown`, and has
        its row before the journal may go with the pod.
        """
        book, tail = self._accounting.book, self._accounting.tail
        log.info("event=agent_draining in_flight=%d", book.in_flight)
        end = time.monotonic() + seconds
        await tail.caught_up()
        while book.in_flight and time.monotonic() < end:
            gone = not envoy_listens(self._admin)
            await tail.caught_up()
            now = self._clock()
            await book.expire(now, envoy_started_at=now + 1 if gone else 0)

    async def ship(self, seconds: float) -> bool:
        """Wait until the ledger has every row; False where it has not within the time."""
        end = time.monotonic() + seconds
        while not (left := self.remainder()).shipped:
            if time.monotonic() >= end:
                self._next_count = 0.0
                left = await self.count()
                log.error(
                    "event=rows_left rows=%d place=%s waited_s=%.0f reason=%r",
                    left.rows,
                    left.place,
                    seconds,
                    self._ledger.words() or "the ledger is not open yet",
                )
                return False
            await asyncio.sleep(LOOK_SECONDS)
        return True


def _unshipped(journal: FileJournal) -> int:
    """How many rows the journal has that the ledger lacks; 0 where it can't be read."""
    cursor = Cursor(journal.directory, journal.shipped_to)
    found = 0
    try:
        while rows := cursor.read(BATCH):
            found += len(rows)
    except OSError as error:
        log.warning("event=rows_uncounted error=%s", error)
    return found
