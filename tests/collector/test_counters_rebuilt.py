"""A store that lost its counters: what gateways used that are gone comes back from the ledger.

Real Redis, real collector, real PostgreSQL. Gateways are their ends of the store, in this process;
their rows are shipped as agents ship them.
"""

import asyncio
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from accounting.samples import intent, row
from collector.collector_process import ApiDouble, CollectorProcess
from collector.postgres_server import PostgresServer
from quota.building import KIND, caller, limit
from shared_store.redis_groups import Watched
from shared_store.redis_server import RedisServer
from shared_store.replicas import ZONE, Replica, replicas, run, until
from shared_store.test_one_limit_for_all import shared

from bailiwick_collector.rows import COLUMNS
from bailiwick_contract.money import pico
from bailiwick_contract.v1.tenant_config_pb2 import OnOutage, TenantConfig
from bailiwick_sidecar.accounting.model import RowState, Usage
from bailiwick_sidecar.ledger.remote import CollectorSink
from bailiwick_sidecar.ledger.remote_totals import CollectorTotals
from bailiwick_sidecar.ledger.rows import Owner
from bailiwick_sidecar.lost_use import LostUse
from bailiwick_sidecar.quota.limits import CompiledLimit
from bailiwick_sidecar.quota.model import Denial, Grant, QuotaUnavailableError
from bailiwick_sidecar.quota.periods import Calendar
from bailiwick_sidecar.quota.rebuilding import Part
from bailiwick_sidecar.shared.address import StoreAddress

MONTH = shared(limit("m", KIND.TOKENS_PER_MONTH, 1_000))
_tenants = count()


class Town:
    """One tenant with the namespaces team-a and team-b, and a collector that knows it."""

    def __init__(self, tenant: str, collector: CollectorProcess) -> None:
        self.tenant = tenant
        self.collector = collector

    def owner(self, gateway: str, namespace: str) -> Owner:
        return Owner(self.tenant, namespace, "EUR", gateway)

    def gateway(
        self,
        store: RedisServer | StoreAddress,
        name: str,
        limits: Sequence[CompiledLimit] = MONTH,
        *,
        namespace: str = "team-a",
        **more: Any,
    ) -> Replica:
        config = TenantConfig(tenant=self.tenant, namespace=namespace, currency="EUR")
        owner = self.owner(name, namespace)
        place = self.collector.address(namespace)

        def lost(one: Replica) -> Awaitable[Mapping[Part, int]]:
            return LostUse(
                one.engine, one.clock, lambda: config, lambda _: CollectorTotals(place, owner)
            )()

        at = store if isinstance(store, StoreAddress) else store.port
        return Replica(at, name, limits, namespace=namespace, lost=lost, **more)

    def ship(self, one: Replica, *, namespace: str = "team-a", **changes: Any) -> None:
        """Rows of all that it admitted and has not settled, at what was reserved."""
        rows = [
            replace_row(
                key[0],
                caller=said.caller,
                tokens=said.amounts.tokens,
                cost=said.amounts.cost,
                **{"admitted_at": one.clock(), **changes},
            )
            for key, said in one.admitted.items()
        ]
        self.write(one.name, rows, namespace=namespace)

    def write(self, gateway: str, rows: Sequence[Any], *, namespace: str = "team-a") -> None:
        sink = CollectorSink(self.collector.address(namespace), self.owner(gateway, namespace))
        sink.write(rows)
        sink.close()


def replace_row(stream_id: str, *, tokens: int, cost: int = 0, **changes: Any) -> Any:
    made = row(stream_id, cost=cost, usage=Usage(input=tokens, output=0))
    return msgspec.structs.replace(made, intent=intent(stream_id, **changes))


@pytest.fixture
def town(tmp_path: Path, postgres: PostgresServer) -> Iterator[Town]:
    tenant = f"town{next(_tenants)}"
    double = ApiDouble(tmp_path, {"team-a": tenant, "team-b": tenant})
    process = CollectorProcess(tmp_path, postgres, double.kubeconfig)
    process.start()
    yield Town(tenant, process)
    process.stop()
    double.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path).running() as running:
        yield running


async def emptied(store: RedisServer, *them: Replica) -> None:
    """Killed, and there again with nothing in it; they have noticed."""
    before = [one.store.lessee.loss for one in them]
    store.kill()
    store.start()
    for one, loss in zip(them, before, strict=True):
        await until(lambda one=one, loss=loss: one.store.lessee.loss != loss)  # type: ignore[misc]


async def fills(one: Replica, left: int, **by: Any) -> None:
    """So much fits, and not one token more."""
    assert isinstance(await one.ask(left + 1, **by), Denial)
    assert isinstance(await one.ask(left, **by), Grant)
    assert isinstance(await one.ask(1, **by), Denial)


def test_a_gateway_that_is_gone_is_not_forgotten(town: Town, store: RedisServer) -> None:
    """A ships its rows and is gone for good; Redis comes back empty; B refuses where it must.

    B's own rows are in the ledger too, and count once.
    """
    a = town.gateway(store, "a")
    b = town.gateway(store, "b", namespace="team-b")

    async def main() -> None:
        async with replicas(b):
            a.start()
            await a.granted(350)
            await a.granted(250)
            await b.granted(100)
            await a.kill()
            await asyncio.to_thread(town.ship, a)
            await asyncio.to_thread(town.ship, b, namespace="team-b")
            await emptied(store, b)
            await fills(b, 300)
            assert b.store.rebuild is not None
            assert b.store.rebuild.raised == 1
            assert not b.store.rebuild.under_way

    run(main())


def test_who_comes_to_an_empty_store_first_asks_too(town: Town, store: RedisServer) -> None:
    """All gateways are new: none of them has ever met the store."""
    a, b = (town.gateway(store, name) for name in ("a", "b"))

    async def main() -> None:
        async with replicas(a):
            await a.granted(600)
        await asyncio.to_thread(town.ship, a)
        store.kill()
        store.start()
        async with replicas(b):
            await fills(b, 400)

    run(main())


def test_several_rebuild_at_once_and_it_is_there_once(town: Town, store: RedisServer) -> None:
    """Four gateways in two namespaces notice the same loss."""
    gone = [town.gateway(store, f"gone{n}") for n in range(3)]
    live = [
        town.gateway(store, f"live{n}", namespace=namespace)
        for n, namespace in enumerate(("team-a", "team-a", "team-b", "team-b"))
    ]

    async def main() -> None:
        async with replicas(*live):
            async with replicas(*gone):
                for one in (*gone, *live):
                    await one.granted(100)
            for one in gone:
                await asyncio.to_thread(town.ship, one)
            await emptied(store, *live)
            for one in live:
                assert isinstance(await one.ask(301), Denial)
            await fills(live[3], 300)

    run(main())


def test_every_limit_that_a_ledger_can_say(town: Town, store: RedisServer) -> None:
    """By user, in money, by day, in a namespace alone; a namespace's own in its own alone."""
    own = limit("Quota/q#m", KIND.TOKENS_PER_MONTH, 900)
    limits = [
        *shared(
            limit("user", KIND.TOKENS_PER_MONTH, 500, each=("user",)),
            limit("day", KIND.BUDGET_DAY, pico("5")),
            limit("month", KIND.BUDGET_MONTH, pico("9007199254740993.000000000001")),
            limit("team", KIND.TOKENS_PER_MONTH, 10_000, team="support"),
        ),
        own,
    ]
    a = town.gateway(store, "a", limits)
    b = town.gateway(store, "b", limits, namespace="team-b")
    c = town.gateway(store, "c", limits)

    async def main() -> None:
        ann, bob = caller(user="ann"), caller(user="bob")
        async with replicas(b, c):
            a.start()
            await a.granted(450, by=ann, cost=pico("1.5"))
            await a.granted(50, by=bob, cost=pico("0.000000000001"))
            await a.kill()
            await asyncio.to_thread(town.ship, a)
            await emptied(store, b, c)
            await fills(b, 50, by=ann)  # of any namespace
            # team-a's own quota has its 500, team-b's has what was just taken.
            used = await use_of(c, bob)
            assert used["user"] == 50
            assert used["Quota/q#m"] == 500
            assert used["day"] == used["month"] == pico("1.500000000001")
            assert "team" not in used
            assert (await use_of(b, bob))["Quota/q#m"] == 50
            assert isinstance(await c.ask(1, by=bob, cost=pico("3.5")), Denial)

    run(main())


async def use_of(one: Replica, by: Any) -> dict[str, int]:
    await one.store.hear(by, one.clock())
    return {state.limit_id: state.used for state in await one.store.states(by, one.clock())}


@pytest.mark.parametrize("zone", [ZONE, "Pacific/Kiritimati", "America/Los_Angeles"])
def test_a_row_counts_in_the_period_of_its_admission(
    town: Town, store: RedisServer, zone: str
) -> None:
    """The first and the last ms of a month and of a day, in the tenant's time zone."""
    limits = shared(
        limit("m", KIND.TOKENS_PER_MONTH, 10_000), limit("d", KIND.BUDGET_DAY, pico("10"))
    )
    b = town.gateway(store, "b", limits, zone=zone)

    async def main() -> None:
        calendar = Calendar(zone)
        calendar.turn(b.clock())
        moments = {
            "before": calendar.month_start - 1,
            "first": calendar.month_start,
            "yesterday": calendar.day_start - 1,
            "today": calendar.day_start,
        }
        rows = [
            replace_row(name, tokens=10**n, cost=pico("1"), admitted_at=at)
            for n, (name, at) in enumerate(moments.items())
        ]
        await asyncio.to_thread(town.write, "gone", rows)
        async with replicas(b):
            await until(lambda: b.store.lessee.met)
            used = await use_of(b, caller())
        of_month = sum(
            10**n
            for n, at in enumerate(moments.values())
            if calendar.month_start <= at < calendar.month_end
        )
        of_day = sum(1 for at in moments.values() if at >= calendar.day_start)
        assert used == {"m": of_month, "d": pico(str(of_day))}

    run(main())


def test_what_became_of_an_attempt_decides_what_it_counts(town: Town, store: RedisServer) -> None:
    """Estimates and unknown rows count as charged, void ones not; another currency is no budget."""
    limits = shared(
        limit("m", KIND.TOKENS_PER_MONTH, 10_000), limit("b", KIND.BUDGET_MONTH, pico("10"))
    )
    b = town.gateway(store, "b", limits)

    async def main() -> None:
        def of(state: RowState, tokens: int) -> Any:
            made = replace_row(state.value, tokens=tokens, cost=pico("1"), admitted_at=b.clock())
            return msgspec.structs.replace(made, state=state)

        states = (RowState.SETTLED, RowState.ESTIMATED, RowState.UNKNOWN)
        rows = [of(state, 10**n) for n, state in enumerate(states)]
        void = replace_row("void", tokens=0, admitted_at=b.clock())
        rows.append(msgspec.structs.replace(void, state=RowState.VOID))
        await asyncio.to_thread(town.write, "gone", rows)
        sink = CollectorSink(
            town.collector.address("team-a"), replace(town.owner("gone", "team-a"), currency="USD")
        )
        other = replace_row("usd", tokens=1_000, cost=pico("1"), admitted_at=b.clock())
        await asyncio.to_thread(sink.write, [other])
        sink.close()
        async with replicas(b):
            await until(lambda: b.store.lessee.met)
            assert await use_of(b, caller()) == {"m": 1_111, "b": pico("3")}

    run(main())


def test_who_comes_back_says_himself_what_he_used(town: Town, store: RedisServer) -> None:
    """Cut off while others rebuilt, with a void that the ledger can't know: his word holds."""
    a, b = (town.gateway(store, name) for name in ("a", "b"))

    async def main() -> None:
        async with replicas(b):
            a.start()
            key = await a.granted(600)
            await a.kill()
            await asyncio.to_thread(town.ship, a)
            await emptied(store, b)
            await fills(b, 400)
            again = town.gateway(store, "a")
            again.engine.load(a.engine.dump())
            again.admitted = dict(a.admitted)
            await again.settle(key, 200)
            async with replicas(again):
                await until(lambda: again.store.lessee.met and not again.store.lessee.has_news)
                await fills(b, 400)

    run(main())


def test_a_store_that_kept_everything_counts_nothing_twice(town: Town, tmp_path: Path) -> None:
    """A restart with its data: the ledger is asked, and has nothing to add."""
    store = RedisServer(tmp_path, "--appendonly", "yes", "--appendfsync", "always")
    a, b = (town.gateway(store, name) for name in ("a", "b"))

    async def main() -> None:
        async with replicas(b):
            a.start()
            await a.granted(600)
            await until(lambda: not a.store.lessee.has_news)
            await a.kill()
            await asyncio.to_thread(town.ship, a)
            await emptied(store, b)  # it only seems so
            await fills(b, 400)
            assert b.store.rebuild is not None
            assert b.store.rebuild.times >= 1
            assert b.store.rebuild.raised == 0

    with store.running():
        run(main())


def test_what_was_not_shipped_is_the_bound(town: Town, store: RedisServer) -> None:
    """A's last call is in no ledger: that much, and no more, is forgotten."""
    a, b = (town.gateway(store, name) for name in ("a", "b"))

    async def main() -> None:
        async with replicas(b):
            a.start()
            await a.granted(500)
            await asyncio.to_thread(town.ship, a)
            await a.granted(70)
            await until(lambda: not a.store.lessee.has_news)
            await a.kill()
            await emptied(store, b)
            await fills(b, 500)

    run(main())


POLICIES = {
    OnOutage.QUOTA_STORE_DENY: "denied",
    OnOutage.QUOTA_STORE_LOCAL_SHARE: "shared",
    OnOutage.QUOTA_STORE_ALLOW: "allowed",
}


@pytest.mark.parametrize("policy", POLICIES, ids=POLICIES.values())
def test_without_a_ledger_the_tenants_policy_decides(
    town: Town, store: RedisServer, policy: OnOutage.QuotaStore
) -> None:
    """Redis comes back empty while no collector answers; then that comes back too."""
    a, b = (town.gateway(store, name, policy=policy) for name in ("a", "b"))

    async def main() -> None:
        async with replicas(b):
            a.start()
            await a.granted(500)
            await b.granted(100)
            await until(lambda: not a.store.lessee.has_news)
            await a.kill()
            await asyncio.to_thread(town.ship, a)
            assert isinstance(await b.ask(1_000), Denial)
            town.collector.kill()
            await emptied(store, b)
            await until(lambda: b.store.outage.reason == "Incomplete")
            (word,) = b.store.outage.degraded()
            assert (word.dependency, word.reason) == ("quota-store", "Incomplete")
            assert "ledger" in word.message
            b.admitted.clear()
            if policy == OnOutage.QUOTA_STORE_DENY:
                with pytest.raises(QuotaUnavailableError, match="ledger"):
                    await b.ask(1)
            elif policy == OnOutage.QUOTA_STORE_LOCAL_SHARE:
                # 600 of 1,000 as it last knew, of two gateways at most: it may have its part.
                part = 400 // b.store.lessee.live
                assert isinstance(await b.ask(part + 1), Denial)
                await b.granted(part)
            else:
                await b.granted(5_000)
            meanwhile = b.tokens
            town.collector.start()
            await until(lambda: b.store.outage.since is None, seconds=40)
            if meanwhile < 400:
                await fills(b, 400 - meanwhile)
            assert isinstance(await b.ask(1), Denial)
            assert b.store.outage.seconds(b.clock()) > 0

    run(main())


def test_who_never_met_a_whole_store_shares_nothing(town: Town, store: RedisServer) -> None:
    """LocalShare, an empty store and no ledger: nobody knows what is left."""
    b = town.gateway(store, "b", policy=OnOutage.QUOTA_STORE_LOCAL_SHARE)
    town.collector.kill()

    async def main() -> None:
        async with replicas(b):
            await until(lambda: b.store.outage.reason == "Incomplete")
            with pytest.raises(QuotaUnavailableError):
                await b.ask(1)

    run(main())


def test_nothing_to_count_by_the_month_asks_no_ledger(town: Town, store: RedisServer) -> None:
    b = town.gateway(store, "b", shared(limit("w", KIND.TOKENS_PER_MINUTE, 1_000)))
    town.collector.kill()

    async def main() -> None:
        async with replicas(b):
            await fills(b, 1_000)

    run(main())


def test_another_tenants_rows_are_never_seen(
    town: Town, store: RedisServer, postgres: PostgresServer
) -> None:
    """The same gateway, namespace and user in another tenant's rows: not a token of them."""
    b = town.gateway(store, "b")

    async def main() -> None:
        mine = replace_row("mine", tokens=7, admitted_at=b.clock())
        await asyncio.to_thread(town.write, "gone", [mine])
        columns = ", ".join(f'"{name}"' for name in COLUMNS if name != "tenant")
        postgres.execute(
            f"INSERT INTO bailiwick.attempts (tenant, {columns})"
            f" SELECT 'stranger', {columns} FROM bailiwick.attempts WHERE tenant = '{town.tenant}'"
        )
        assert postgres.query("SELECT 1 FROM attempts WHERE tenant = 'stranger'")
        async with replicas(b):
            await until(lambda: b.store.lessee.met)
            assert await use_of(b, caller()) == {"m": 7}

    run(main())


def test_a_sentinels_failover_that_loses_what_was_acknowledged(town: Town, tmp_path: Path) -> None:
    """The replica that takes over missed what two gateways had used last; one of them is gone."""
    watched = Watched(tmp_path)
    a, b = (town.gateway(watched.address, name) for name in ("a", "b"))

    async def main() -> None:
        async with replicas(b):
            a.start()
            await a.granted(300)
            await until(lambda: not a.store.lessee.has_news)
            await until(lambda: bool(watched.replica.client().keys("*:c:*")))
            await asyncio.to_thread(watched.cut)
            await a.granted(200)
            await b.granted(100)
            await until(lambda: not a.store.lessee.has_news and not b.store.lessee.has_news)
            await a.kill()
            await asyncio.to_thread(town.ship, a)
            watched.primary.kill()
            await until(watched.promoted, seconds=60)
            lost = sum(
                int(value.split()[1])
                for key in watched.replica.client().keys("*:c:*")
                for field, value in watched.replica.client().hgetall(key).items()
                if b":" in field
            )
            assert lost == 300  # of 600: the failover has lost half
            await until(lambda: b.store.outage.since is None and not b.store.lessee.missing, 60)
            await fills(b, 400)
            assert b.connection.server

    with watched.running():
        run(main())
