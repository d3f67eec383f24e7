"""The book of attempts: from intent to exactly one row each."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from bailiwick_contract.errors import BailiwickError
from bailiwick_sidecar.accounting.errors import DuplicateAttemptError, JournalUnwritableError
from bailiwick_sidecar.accounting.journal import Journal
from bailiwick_sidecar.accounting.lines import Position
from bailiwick_sidecar.accounting.model import Intent, Row, RowState
from bailiwick_sidecar.accounting.outcome import conclusive, outcome_of
from bailiwick_sidecar.accounting.records import AttemptEnd, Record, RequestEnd
from bailiwick_sidecar.quota.model import Amounts, AttemptKey, QuotaStore

log = logging.getLogger(__name__)

GRACE_MS: Final = 1_000
"""How long an attempt's record may come after its request's; both are written at once."""
OVERDUE_MS: Final = 5_000
"""How long after its deadline an attempt without a record is still waited for."""
ENDED_REMEMBERED: Final = 8_192
"""Requests whose end is remembered, for an intent that is late."""
UNPOSTED_KEPT: Final = 100_000
"""Rows kept for a quota store that is away; it expires by itself what is dropped past it."""


class Ledger(Protocol):
    """Where rows go; never waits."""

    def offer(self, row: Row, position: Position) -> None:
        """Take the row, recorded before this place of the journal, or leave it to be re-read."""
        ...


Observer = Callable[[Row, int], None]
"""Told of each row and its overshoot in tokens."""


class AttemptBook:
    """Open attempts of one gateway, and what ends them.

    Records may come in either order, twice, or never. A row is made once, in this order: it is
    taken from the open ones, journalled, posted to the quota store, offered to the ledger, shown
    to the observers. With a store whose methods do not suspend, nothing else runs in between, so
    that the journal and a checkpoint of the counters never disagree.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        store: QuotaStore,
        ledger: Ledger,
        clock: Callable[[], int],
        observers: tuple[Observer, ...] = (),
        opened: Callable[[], None] = lambda: None,
    ) -> None:
        """A book with nothing open. `clock` gives ms since the epoch.

        `opened` is called when an attempt opens: records are to be expected.
        """
        self.strays = 0
        """Records of attempts that are not open: seen twice, or of calls that were refused."""
        self._journal = journal
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._observers = observers
        self._opened = opened
        self._open: dict[str, dict[int, Intent]] = {}
        self._count = 0
        self._attempt_ends: dict[AttemptKey, tuple[AttemptEnd, int]] = {}
        self._request_ends: dict[str, tuple[RequestEnd, int, int]] = {}
        self._leased_until: dict[AttemptKey, int] = {}
        """Attempts whose own record came, and when their place is given up without their row."""
        self._ended: dict[str, None] = {}
        self._waiting: dict[AttemptKey, list[asyncio.Future[None]]] = {}
        self._unwritten: deque[Row] = deque()
        self._unposted: deque[Row] = deque(maxlen=UNPOSTED_KEPT)

    @property
    def in_flight(self) -> int:
        """How many attempts are open."""
        return self._count

    @property
    def unwritten(self) -> int:
        """How many rows the journal has not taken yet."""
        return len(self._unwritten)

    async def open(self, intent: Intent) -> None:
        """Journal the intent; after this the attempt may leave.

        An intent whose request ended meanwhile (the caller left during admission) is voided at
        once: nothing can have left.

        Raises:
            JournalUnwritableError: it must not leave; the caller voids its reservation.
            DuplicateAttemptError: this attempt is open already.
        """
        stream_id, attempt = intent.key
        if attempt in self._open.get(stream_id, ()):
            raise DuplicateAttemptError(
                f"attempt {attempt} of request {stream_id} is open already: refuse this one"
            )
        self._journal.intent(intent)
        self.adopt(intent)
        try:
            await self._journal.durable()
        except BaseException:  # also when the caller's task is cancelled: it does not leave
            await self._finish(intent, None, RequestEnd(id=stream_id, n=0))
            raise
        if stream_id in self._ended:
            await self._finish(intent, None, RequestEnd(id=stream_id, n=0))
        else:
            self._opened()

    def adopt(self, intent: Intent) -> None:
        """Take over an attempt whose intent the journal has."""
        self._open.setdefault(intent.key[0], {})[intent.key[1]] = intent
        self._count += 1

    async def abandon(self, key: AttemptKey) -> None:
        """Void an open attempt whose admission was told to nobody: it can't leave."""
        intent = self._open.get(key[0], {}).get(key[1])
        if intent is not None:
            await self._finish(intent, None, RequestEnd(id=key[0], n=0))

    async def on_record(self, record: Record, mark: int = 0) -> None:
        """Take in a record of Envoy's log.

        `mark` grows from record to record; `oldest_held` gives it back.
        """
        if isinstance(record, AttemptEnd):
            await self.on_attempt_end(record, mark)
        else:
            await self.on_request_end(record, mark)

    async def on_attempt_end(self, end: AttemptEnd, mark: int = 0) -> None:
        """Take in how one attempt ended."""
        if end.id is None or end.n is None:
            return
        intent = self._open.get(end.id, {}).get(end.n)
        if intent is None:
            self.strays += 1
            return
        held = self._request_ends.get(end.id)
        request = held[0] if held is not None and held[0].n == end.n else None
        if conclusive(intent, end, request):
            await self._finish(intent, end, request)
        else:
            self._attempt_ends.setdefault(intent.key, (end, mark))
            self._leased_until.setdefault(intent.key, self._clock() + GRACE_MS)

    async def on_request_end(self, end: RequestEnd, mark: int = 0) -> None:
        """Take in how a request ended, and with it its last attempt."""
        if end.id is None:
            return
        self._ended[end.id] = None
        if len(self._ended) > ENDED_REMEMBERED:
            del self._ended[next(iter(self._ended))]
        attempts = self._open.get(end.id)
        if attempts is None:
            self.strays += 1
            return
        for attempt, intent in tuple(attempts.items()):
            own = self._end_of(intent)
            request = end if end.n in (attempt, 0) else None
            if conclusive(intent, own, request):
                await self._finish(intent, own, request)
        if end.id in self._open:
            self._request_ends.setdefault(end.id, (end, mark, self._clock() + GRACE_MS))

    def under_way(self, stream_id: str) -> bool:
        """True while an attempt of this request is open."""
        return stream_id in self._open

    async def ended(self, key: AttemptKey, within: float) -> bool:
        """True as soon as the attempt has its row, False after `within` seconds without."""
        if not self._is_open(key):
            return True
        future = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(key, [])
        waiting.append(future)
        try:
            async with asyncio.timeout(within):
                await future
        except TimeoutError:
            return False
        finally:
            waiting.remove(future)
            if not waiting:
                self._waiting.pop(key, None)
        return True

    async def expire(self, now: int, *, envoy_started_at: int = 0) -> None:
        """Decide what no record will decide any more. `now` and `envoy_started_at` in ms.

        Call it with Envoy's log drained, about once a second. An attempt from before Envoy
        started is over: its process is gone. One past its deadline had its end cut by Envoy,
        and its record is lost.
        """
        await self._give_places_up(now)
        for stream_id, (end, _, due) in tuple(self._request_ends.items()):
            if now < due:
                continue
            for attempt, intent in tuple(self._open.get(stream_id, {}).items()):
                request = end if end.n == attempt else None
                await self._finish(intent, self._end_of(intent), request, lost="record_lost")
        for intent in self._all_open():
            if intent.key[0] in self._request_ends:
                continue
            if intent.admitted_at < envoy_started_at:
                lost = "envoy_died"
            elif now > intent.deadline + OVERDUE_MS:
                lost = "no_record"
            else:
                continue
            await self._finish(intent, self._end_of(intent), None, lost=lost)

    async def _give_places_up(self, now: int) -> None:
        """Ends the leases of attempts that ended, whose request's record is late or lost.

        What they used is not known before that; that they are no longer under way is.
        """
        for key, due in tuple(self._leased_until.items()):
            if now < due:
                continue
            try:
                await self._store.release(key, now)
            except BailiwickError as error:
                log.warning("event=release_postponed attempt=%s error=%r", key, str(error))
                return
            self._leased_until.pop(key, None)

    async def retry(self) -> None:
        """Write and post again what the journal or the quota store did not take."""
        while self._unwritten and self._write(self._unwritten[0], again=True):
            self._unwritten.popleft()
        for _ in range(len(self._unposted)):
            row = self._unposted.popleft()
            if await self._post(row) is None:
                break

    def oldest_held(self) -> int | None:
        """The mark of the oldest record that no row was made of yet; None where there is none."""
        marks = [mark for _, mark in self._attempt_ends.values()]
        marks += [mark for _, mark, _ in self._request_ends.values()]
        return min(marks, default=None)

    def _all_open(self) -> list[Intent]:
        return [intent for attempts in self._open.values() for intent in attempts.values()]

    def _end_of(self, intent: Intent) -> AttemptEnd | None:
        held = self._attempt_ends.get(intent.key)
        return held[0] if held is not None else None

    def _is_open(self, key: AttemptKey) -> bool:
        return key[1] in self._open.get(key[0], ())

    async def _finish(
        self,
        intent: Intent,
        attempt: AttemptEnd | None,
        request: RequestEnd | None,
        *,
        lost: str = "no_record",
    ) -> None:
        """Makes the attempt's row and tells everyone, once."""
        key = stream_id, number = intent.key
        attempts = self._open.get(stream_id)
        if attempts is None or number not in attempts:
            return
        del attempts[number]
        self._count -= 1
        self._attempt_ends.pop(key, None)
        self._leased_until.pop(key, None)
        if not attempts:
            del self._open[stream_id]
            self._request_ends.pop(stream_id, None)
        row = outcome_of(intent, attempt, request, lost=lost)
        if not self._write(row):
            self._unwritten.append(row)
        overshoot = await self._post(row)
        for observer in self._observers:
            observer(row, overshoot or 0)
        for future in self._waiting.get(key, ()):
            if not future.done():
                future.set_result(None)

    def _write(self, row: Row, *, again: bool = False) -> bool:
        key = row.intent.key
        try:
            position = self._journal.outcome(row)
        except JournalUnwritableError as error:
            if not again:
                log.warning("event=outcome_postponed attempt=%s error=%r", key, str(error))
            return False
        self._ledger.offer(row, position)
        return True

    async def _post(self, row: Row) -> int | None:
        """The overshoot, or None where the store is away and the row waits."""
        now = self._clock()
        try:
            if row.state is RowState.VOID:
                await self._store.void(row.intent.key, now)
                return 0
            used = Amounts(tokens=row.usage.total, cost=row.cost)
            return await self._store.settle(row.intent.key, used, now)
        except BailiwickError as error:
            log.warning("event=settle_postponed attempt=%s error=%r", row.intent.key, str(error))
            self._unposted.append(row)
            return None
