"""Counting together with the tenant's other gateways, in a shared store."""

import asyncio
import contextlib
import importlib
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from prometheus_client.core import Metric

from bailiwick_contract.v1.tenant_config_pb2 import QuotaStore, TenantConfig
from bailiwick_sidecar.config.accept import Accepted
from bailiwick_sidecar.counting import StoreChangedError, now_ms, password_of
from bailiwick_sidecar.keyring import Degraded
from bailiwick_sidecar.lost_use import LostUse
from bailiwick_sidecar.quota.engine import Engine
from bailiwick_sidecar.quota.lessee import Lessee
from bailiwick_sidecar.quota.moment import Moment
from bailiwick_sidecar.quota.shared import Among, counter_maker
from bailiwick_sidecar.secrets import Absent, KeySource, Secret
from bailiwick_sidecar.settings import Settings
from bailiwick_sidecar.shared.address import StoreAddress
from bailiwick_sidecar.shared.clock import StoreClock
from bailiwick_sidecar.shared.connection import StoreConnection
from bailiwick_sidecar.shared.errors import QuotaStoreError
from bailiwick_sidecar.shared.figures import figures
from bailiwick_sidecar.shared.link import Place, RedisLink
from bailiwick_sidecar.shared.rebuild import Rebuild
from bailiwick_sidecar.shared.store import SharedStore

if TYPE_CHECKING:
    from bailiwick_sidecar.ledger.totals import Totals

FIRST_MEETING: Final = 1.5
"""Seconds for which a start waits for the store's time."""


class CountingTogether:
    """Counters that all gateways of the tenant share."""

    def __init__(
        self, first: Accepted, *, keys: KeySource, replica: str, settings: Settings
    ) -> None:
        self._config = first.config
        self._settings = settings
        self._keys = keys
        moment = Moment(first.time_zone)
        among = Among(moment)
        self.engine = Engine(
            first.limits, first.time_zone, make=counter_maker(among), moment=moment
        )
        store_clock = StoreClock(wall=now_ms)
        self.clock: Callable[[], int] = store_clock
        self._store_clock = store_clock
        said = first.config.quota_store
        self._connection = StoreConnection(_address(said), self._password, key=said.prefix)
        self.store = SharedStore(
            Lessee(self.engine, among),
            RedisLink(
                self._connection,
                Place(said.prefix, first.config.namespace, replica, rebuilds=True),
            ),
            clock=store_clock,
            policy=lambda: self._config.on_outage.quota_store,
            rebuild=Rebuild(
                LostUse(self.engine, store_clock, lambda: self._config, self._totals),
                time.monotonic,
            ),
        )

    async def begin(self) -> None:
        """Take the store's time, if it says so soon."""
        with contextlib.suppress(QuotaStoreError, TimeoutError):
            async with asyncio.timeout(FIRST_MEETING):
                asked_at = self._store_clock.steady()
                await self._connection.connect()
                if self._connection.server_ms:
                    self._store_clock.hear(self._connection.server_ms, asked_at)

    async def run(self) -> None:
        """Keep in touch with the store until cancelled."""
        await self.store.run()

    async def close(self) -> None:
        """Tell the store what was used, and give back what was not."""
        await self.store.flush()
        await self._connection.close()

    def obey(self, config: TenantConfig) -> None:
        """Go on at another address, as another user; another store begins with another start."""
        before, said = self._config.quota_store, config.quota_store
        if not config.HasField("quota_store") or said.prefix != before.prefix:
            raise StoreChangedError(
                "the tenant counts elsewhere now: this agent ends, and the next counts there"
            )
        self._config = config
        if _address(said) != self._connection.address:
            self._connection.move(_address(said))

    def degraded(self) -> tuple[Degraded, ...]:
        """That the store is away, where it is."""
        return self.store.outage.degraded()

    def figures(self) -> Iterable[Metric]:
        """Of outages, shares and replicas."""
        return figures(self.store, self.clock())

    def _totals(self, config: TenantConfig) -> "Totals":
        # SQL or gRPC takes a while to import: only who has lost something waits for it.
        totals: Totals = importlib.import_module("bailiwick_sidecar.ledger_link").totals_of(
            self._settings, config
        )
        return totals

    def _password(self) -> Secret | Absent | None:
        ref = password_of(self._config)
        return None if ref is None else self._keys.get(ref)


def _address(said: QuotaStore) -> StoreAddress:
    return StoreAddress(
        said.host,
        said.port,
        tls=said.tls,
        ca=said.ca_bundle,
        user=said.user,
        sentinels=tuple((one.host, one.port) for one in said.sentinels),
        primary=said.primary,
        nodes=tuple((one.host, one.port) for one in said.nodes),
    )
