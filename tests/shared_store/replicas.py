"""Gateways' ends of a shared store, in one process, over real connections."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from itertools import count
from typing import Any

from quota.building import caller

from bailiwick_contract.v1.tenant_config_pb2 import OnOutage
from bailiwick_sidecar.quota.engine import Engine
from bailiwick_sidecar.quota.lessee import Lessee
from bailiwick_sidecar.quota.limits import CompiledLimit, CompiledLimits
from bailiwick_sidecar.quota.model import (
    Amounts,
    AttemptKey,
    Caller,
    Denial,
    Grant,
    Reservation,
)
from bailiwick_sidecar.quota.moment import Moment
from bailiwick_sidecar.quota.rebuilding import Part
from bailiwick_sidecar.quota.shared import Among, counter_maker
from bailiwick_sidecar.secrets import Secret
from bailiwick_sidecar.shared.address import StoreAddress
from bailiwick_sidecar.shared.clock import StoreClock
from bailiwick_sidecar.shared.connection import StoreConnection
from bailiwick_sidecar.shared.link import Place, RedisLink
from bailiwick_sidecar.shared.rebuild import Rebuild
from bailiwick_sidecar.shared.store import SharedStore

PREFIX = "{bailiwick:acme}"
ZONE = "Europe/Berlin"
_numbers = count()


class Replica:
    """One gateway's store, with what it admitted."""

    def __init__(
        self,
        at: int | StoreAddress,
        name: str,
        limits: Sequence[CompiledLimit],
        *,
        policy: OnOutage.QuotaStore = OnOutage.QUOTA_STORE_DENY,
        namespace: str = "team-a",
        user: str = "",
        password: str = "",
        prefix: str = PREFIX,
        grace_ms: int = 1_500,
        zone: str = ZONE,
        lost: Callable[["Replica"], Awaitable[Mapping[Part, int]]] | None = None,
    ) -> None:
        """`lost` asks a ledger for what gateways used that are gone; without it none is asked."""
        moment = Moment(zone)
        among = Among(moment)
        self.name = name
        self.engine = Engine(CompiledLimits(limits), zone, make=counter_maker(among), moment=moment)
        self.clock = StoreClock()
        self.connection = StoreConnection(
            StoreAddress("127.0.0.1", at, user=user) if isinstance(at, int) else at,
            lambda: Secret(password) if password else None,
            key=prefix,
        )
        self.store = SharedStore(
            Lessee(self.engine, among),
            RedisLink(
                self.connection,
                Place(prefix, namespace, name, grace_ms, rebuilds=lost is not None),
            ),
            clock=self.clock,
            policy=lambda: policy,
            rebuild=Rebuild(lambda: lost(self), time.monotonic) if lost is not None else None,
        )
        self.admitted: dict[AttemptKey, Reservation] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self.store.run())

    async def kill(self) -> None:
        """End without a word to the store."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def ask(
        self,
        tokens: int = 1,
        *,
        cost: int = 0,
        by: Caller | None = None,
        ttl: int = 600_000,
        key: AttemptKey | None = None,
    ) -> Grant | Denial:
        now = self.clock()
        reservation = Reservation(
            key or (f"{self.name}-{next(_numbers)}", 1),
            by or caller(),
            Amounts(tokens, cost),
            now + ttl,
        )
        answer = await self.store.reserve(reservation, now)
        if isinstance(answer, Grant):
            self.admitted[reservation.key] = reservation
        return answer

    async def granted(self, tokens: int = 1, **more: Any) -> AttemptKey:
        before = set(self.admitted)
        answer = await self.ask(tokens, **more)
        assert isinstance(answer, Grant), answer
        (key,) = set(self.admitted) - before
        return key

    async def settle(self, key: AttemptKey, tokens: int, cost: int = 0) -> None:
        del self.admitted[key]
        await self.store.settle(key, Amounts(tokens, cost), self.clock())

    @property
    def tokens(self) -> int:
        return sum(one.amounts.tokens for one in self.admitted.values())


@contextlib.asynccontextmanager
async def replicas(*them: Replica) -> AsyncIterator[None]:
    """Run them; at the end each is gone without a word."""
    for one in them:
        one.start()
    try:
        yield
    finally:
        await asyncio.gather(*(one.kill() for one in them))


async def until(true: Callable[[], bool | Awaitable[bool]], seconds: float = 20) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(seconds):
        while True:
            found = true()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.02)


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)
