"""A tenant's counters in a shared store, as one of its replicas works with them.

Most reservations are decided by the shares that this replica holds. The others wait for the next
message; one message is under way at any time, and takes all who wait along.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from bailiwick_contract.v1.tenant_config_pb2 import OnOutage
from bailiwick_sidecar.quota.engine import Engine, Refusing
from bailiwick_sidecar.quota.lessee import HURRY_MS, Again, Lessee, Promised, Refused, Verdict
from bailiwick_sidecar.quota.messages import Message, Missing, Reply
from bailiwick_sidecar.quota.model import (
    Amounts,
    AttemptKey,
    Caller,
    Denial,
    Grant,
    LimitState,
    QuotaUnavailableError,
    Reservation,
)
from bailiwick_sidecar.quota.rebuilding import Part
from bailiwick_sidecar.shared.clock import StoreClock
from bailiwick_sidecar.shared.errors import QuotaStoreError
from bailiwick_sidecar.shared.outage import Outage
from bailiwick_sidecar.shared.patience import Patience
from bailiwick_sidecar.shared.rebuild import Rebuild

TICK: Final = HURRY_MS / 1000
RETRY: Final = 0.25
"""Seconds between attempts to reach a store that is away."""
ASKS_AT_ONCE: Final = 128
LOOK_AGAIN: Final = 2 * TICK
HEAR: Final = 1.0
"""Seconds for which somebody who only looks waits for the store."""

log = logging.getLogger(__name__)


class Link(Protocol):
    """The way to the store."""

    async def exchange(self, message: Message) -> Reply | int:
        """The reply, or the newest message's number where this one comes too late.

        Raises:
            QuotaStoreError: there is none.
        """
        ...

    async def restore(self, parts: Mapping[Part, int], *, loss: str, tenant: bool) -> int | None:
        """How many amounts the store had lost; None where it has lost more since.

        Raises:
            QuotaStoreError: nobody knows how many of them it has taken; say them again.
        """
        ...

    async def close(self) -> None:
        """Give the connection back."""
        ...


@dataclass(slots=True, eq=False)
class _Waiting:
    reservation: Reservation
    answer: asyncio.Future[Verdict]


class SharedStore:
    """A `QuotaStore` over one engine whose counters share (see `quota.lessee`).

    `run` has to run for anything to be decided. `policy` says what an outage does.
    """

    def __init__(
        self,
        lessee: Lessee,
        link: Link,
        *,
        clock: StoreClock,
        policy: Callable[[], OnOutage.QuotaStore],
        rebuild: Rebuild | None = None,
    ) -> None:
        """`rebuild` is there where the link says that what is missing can be restored."""
        self.lessee = lessee
        self.rebuild = rebuild
        self.outage = Outage(policy)
        self._link = link
        self._clock = clock
        self._queue: deque[_Waiting] = deque()
        self._listening: list[asyncio.Future[None]] = []
        self._wake = asyncio.Event()

    @property
    def engine(self) -> Engine:
        """This replica's own use and shares."""
        return self.lessee.engine

    async def reserve(self, reservation: Reservation, now: int) -> Grant | Denial:
        """Take the reservation from every counter, or from none.

        Raises:
            QuotaUnavailableError: the store is away, and the tenant refuses calls then.
        """
        decided = self.engine.decide(reservation, now)
        if not isinstance(decided, Refusing):
            return decided
        patience = Patience(asyncio.get_running_loop().time())
        while True:
            if self.outage.denies:
                raise QuotaUnavailableError(self.outage.words)
            if self.outage.since is not None:
                return self.engine.reserve(reservation, self._clock())
            verdict = await self._ask(reservation)
            if isinstance(verdict, Promised):
                return self.lessee.accept(verdict, self._clock())
            if isinstance(verdict, Denial):
                return verdict
            if patience.ends(verdict, asyncio.get_running_loop().time()):
                return self._impatient(verdict)
            await asyncio.sleep(self._pause(verdict))
            decided = self.engine.decide(reservation, self._clock())
            if not isinstance(decided, Refusing):
                return decided

    def _impatient(self, verdict: Refused | Again) -> Denial:
        if isinstance(verdict, Refused):
            return self.engine.denial(verdict.refusing)
        raise QuotaUnavailableError("the quota store still collects what it had lost")

    def _pause(self, verdict: Refused | Again) -> float:
        if isinstance(verdict, Again):
            return LOOK_AGAIN if verdict.wait else 0
        if verdict.soon is None:
            return LOOK_AGAIN
        return max(0.001, (verdict.soon - self._clock()) / 1000)

    async def settle(self, key: AttemptKey, actual: Amounts, now: int) -> int:
        """Replace what was reserved by what was used; returns the overshoot in tokens (≥ 0)."""
        return self.engine.settle(key, actual, now)

    async def void(self, key: AttemptKey, now: int) -> None:
        """Give everything back, the request count too: proved never sent."""
        self.engine.void(key, now)

    async def release(self, key: AttemptKey, now: int) -> None:
        """End the concurrency lease alone; tokens and money stay reserved."""
        self.engine.release(key, now)

    async def states(self, caller: Caller, now: int) -> tuple[LimitState, ...]:
        """Every counter that applies to this caller, as the store last said and as used since."""
        return self.engine.states(caller, now)

    async def hear(self, caller: Caller, now: int) -> None:
        """Have the store say how this caller's counters stand, unless it takes too long."""
        if self.outage.since is not None:
            return
        self.lessee.listen(caller, now)
        heard = asyncio.get_running_loop().create_future()
        self._listening.append(heard)
        self._wake.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HEAR):
                await heard

    async def restore(self, entries: Iterable[tuple[Reservation, int, Amounts | None]]) -> None:
        """Rebuild this replica's own use; the store hears of it with the first message."""
        self.engine.restore(entries)

    async def run(self) -> None:
        """Talk to the store until cancelled."""
        try:
            task = asyncio.current_task()
            # Redis' client may take a cancellation for its own timeout and pass on an error.
            while task is None or not task.cancelling():
                await self._round()
        finally:
            for waiting in self._queue:
                waiting.answer.cancel()
            if self.rebuild is not None:
                self.rebuild.stop()
            await self._link.close()

    async def flush(self) -> None:
        """Tell the store everything now, as far as it answers; for the end of the agent."""
        for counter in self.lessee.holding():
            counter.share.drop()
            counter.retell()
        with contextlib.suppress(QuotaStoreError):
            while self.lessee.has_news:
                await self._exchange(self.lessee.prepare((), self._clock())[0])

    # --- the conversation ---

    async def _round(self) -> None:
        await self._something_to_say()
        now = self._clock()
        waiting = [] if self.lessee.behind else self._next_waiting()
        listening = self._next_listening()
        message, decided = self.lessee.prepare([one.reservation for one in waiting], now)
        for reservation, answer in decided:
            _tell(next(one for one in waiting if one.reservation is reservation), answer)
        waiting = [one for one in waiting if not one.answer.done()]
        try:
            verdicts = await self._exchange(message)
        except QuotaStoreError as error:
            self._away(error, waiting)
        except BaseException:
            for one in waiting:
                one.answer.cancel()
            raise
        else:
            for one, verdict in zip(waiting, verdicts, strict=True):
                self._hand(one, verdict)
            if not self.lessee.hungry:
                # Shares that just came may do for those who are still in the queue.
                while self._queue:
                    _tell(self._queue.popleft(), Again(wait=False))
            await self._whole()
        finally:
            for heard in listening:
                _wake(heard)

    async def _something_to_say(self) -> None:
        while True:
            if not self._queue and not self._listening:
                self._wake.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TICK if self.outage.since is None else RETRY):
                        await self._wake.wait()
            now = self._clock()
            if (
                self._queue
                or self._listening
                or self.lessee.flush_due(now)
                or self.lessee.silent(now)
            ):
                return

    def _hand(self, waiting: _Waiting, verdict: Verdict) -> None:
        """Gives the verdict, or gives back what nobody waits for any more."""
        if not waiting.answer.cancelled():
            waiting.answer.set_result(verdict)
        elif isinstance(verdict, Promised):
            self.lessee.decline(verdict)

    def _next_waiting(self) -> list[_Waiting]:
        found: list[_Waiting] = []
        while self._queue and len(found) < ASKS_AT_ONCE:
            one = self._queue.popleft()
            if not one.answer.done():
                found.append(one)
        return found

    def _next_listening(self) -> list[asyncio.Future[None]]:
        """Those whose counters are in the next message."""
        if self.lessee.behind:
            return []
        found, self._listening = self._listening, []
        return found

    async def _exchange(self, message: Message) -> list[Verdict]:
        try:
            asked_at = self._clock.steady()
            reply = await self._link.exchange(message)
        except BaseException:
            self.lessee.lost(message)
            raise
        if isinstance(reply, int):
            self.lessee.lost(message)
            self.lessee.renumber(reply)
            return [Again(wait=False)] * len(message.asks)
        self._clock.hear(reply.wall, asked_at)
        return self.lessee.apply(message, reply, self._clock())

    async def _ask(self, reservation: Reservation) -> Verdict:
        waiting = _Waiting(reservation, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._wake.set()
        try:
            return await waiting.answer
        except asyncio.CancelledError:
            if waiting.answer.done() and not waiting.answer.cancelled():
                verdict = waiting.answer.result()
                if isinstance(verdict, Promised):
                    self.lessee.decline(verdict)
            raise

    # --- outages ---

    def _away(self, error: QuotaStoreError, waiting: Iterable[_Waiting]) -> None:
        """One more failure; past the first, it is an outage."""
        now = self._clock()
        if self.outage.failed(error, now) and self.outage.stands_in(met=self.lessee.met):
            self.lessee.stand_alone(allow=self.outage.allows, now=now)
        for one in waiting:
            _tell(one, Again(wait=False))

    async def _whole(self) -> None:
        """The store answers: the outage is over, unless what it lost can't be made good."""
        lessee, rebuild = self.lessee, self.rebuild
        if rebuild is not None and lessee.missing:
            rebuild.begin(lessee.loss)
            found = rebuild.found()
            if found is not None:
                await self._restore(rebuild, found)
            elif (error := rebuild.failure()) is not None:
                self._away(error, ())
            return
        if rebuild is not None:
            rebuild.stop()  # another gateway was faster
        self._there()

    async def _restore(self, rebuild: Rebuild, found: Mapping[Part, int]) -> None:
        lessee = self.lessee
        tenant = lessee.missing is Missing.TENANT
        try:
            raised = await self._link.restore(found, loss=lessee.loss, tenant=tenant)
        except QuotaStoreError as error:
            self._away(error, ())
            return
        if raised is None:
            rebuild.stop()  # another loss, which the next message tells of
        else:
            rebuild.done(raised)

    def _there(self) -> None:
        if self.outage.since is not None:
            self.outage.ended(self._clock())
            self.lessee.stand_together()


def _tell(waiting: _Waiting, verdict: Verdict) -> None:
    if not waiting.answer.done():
        waiting.answer.set_result(verdict)


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
