"""Several replicas on one limit: together never more than the cap, and never less where it fits."""

import asyncio
import random
from collections.abc import Sequence

import pytest
from quota.building import KIND, caller, limit
from shared_store.redis_server import RedisServer
from shared_store.replicas import Replica, replicas, run, until

from bailiwick_contract.money import pico
from bailiwick_sidecar.quota.limits import CompiledLimit
from bailiwick_sidecar.quota.model import Denial, Grant


def shared(*limits: CompiledLimit) -> Sequence[CompiledLimit]:
    """The limits as a Tenant's: counted over all namespaces."""
    return [
        CompiledLimit(
            one.id,
            one.kind,
            one.amount,
            shadow=one.shadow,
            fixed=one.fixed,
            each=one.each,
            tenant_wide=True,
        )
        for one in limits
    ]


@pytest.mark.parametrize(
    ("kind", "cap"),
    [
        (KIND.TOKENS_PER_MINUTE, 20_000),
        (KIND.TOKENS_PER_MONTH, 20_000),
        (KIND.REQUESTS_PER_MINUTE, 200),
        (KIND.CONCURRENT_REQUESTS, 200),
    ],
)
def test_a_burst_fills_the_limit_exactly(server: RedisServer, kind: KIND, cap: int) -> None:
    """600 calls of 100 tokens at 4 replicas: as many as fit, not one more and not one less."""
    them = [
        Replica(server.port, f"r{n}", shared(limit("Tenant/acme#x", kind, cap)), grace_ms=50)
        for n in range(4)
    ]

    async def main() -> None:
        async with replicas(*them):
            answers = await asyncio.gather(*(them[n % 4].ask(100) for n in range(600)))
            assert sum(isinstance(one, Grant) for one in answers) == 200
            denial = next(one for one in answers if isinstance(one, Denial))
            assert denial.limits[0].used == cap
            assert denial.retry_after is not None

    run(main())


def test_what_one_replica_gives_back_another_takes(server: RedisServer) -> None:
    """Full by reservations of one; settled at nothing, the other may have it all."""
    limits = shared(limit("a", KIND.TOKENS_PER_MONTH, 1_000))
    one, other = (Replica(server.port, name, limits, grace_ms=50) for name in ("one", "other"))

    async def main() -> None:
        async with replicas(one, other):
            keys = [await one.granted(100) for _ in range(10)]
            assert isinstance(await other.ask(100), Denial)
            for key in keys:
                await one.settle(key, 0)
            # At once: whoever is about to refuse waits for what others have yet to say.
            assert isinstance(await other.ask(1_000), Grant)
            assert isinstance(await one.ask(1), Denial)

    run(main())


def test_an_idle_replicas_share_refuses_nobody(server: RedisServer) -> None:
    """One replica holds a share and sleeps; the other gets every last token."""
    limits = shared(limit("a", KIND.TOKENS_PER_MONTH, 100_000))
    one, other = (Replica(server.port, name, limits, grace_ms=50) for name in ("one", "other"))

    async def main() -> None:
        async with replicas(one, other):
            await one.granted(100)
            held = [counter.share.held for counter in one.store.lessee.holding()]
            assert sum(held) > 0
            assert isinstance(await other.ask(99_900), Grant)

    run(main())


def test_a_dead_replicas_share_refuses_nobody_for_long(server: RedisServer) -> None:
    """It died with a share: that ends by the server's time, and whoever asks waits for it."""
    limits = shared(limit("a", KIND.TOKENS_PER_MONTH, 100_000))
    one, other = (Replica(server.port, name, limits, grace_ms=50) for name in ("one", "other"))

    async def main() -> None:
        async with replicas(other):
            one.start()
            await one.granted(100)
            assert sum(counter.share.held for counter in one.store.lessee.holding()) > 0
            await one.kill()
            # What it had used was told with no later message: see the bound in docs/limits.md.
            assert isinstance(await other.ask(99_900), Grant)

    run(main())


def test_money_beyond_what_floats_hold(server: RedisServer) -> None:
    """Nine million in picounits is 2^63; a budget of a billion still counts to the last one."""
    limits = shared(limit("a", KIND.BUDGET_MONTH, pico("1000000000")))
    one, other = (Replica(server.port, name, limits, grace_ms=50) for name in ("one", "other"))

    async def main() -> None:
        async with replicas(one, other):
            most = pico("999999999.999999999999")
            await one.granted(1, cost=most)
            assert isinstance(await other.ask(1, cost=2), Denial)
            await other.granted(1, cost=1)
            (state,) = await other.store.states(caller(), other.clock())
            assert state.used == pico("1000000000")

    run(main())


def test_limits_are_taken_all_or_none(server: RedisServer) -> None:
    """What the team's limit refuses is not taken from the tenant's."""
    limits = shared(
        limit("tenant", KIND.TOKENS_PER_MONTH, 10_000),
        limit("team", KIND.TOKENS_PER_MONTH, 500, team="search"),
    )
    one, other = (Replica(server.port, name, limits, grace_ms=50) for name in ("one", "other"))

    async def main() -> None:
        async with replicas(one, other):
            await one.granted(500)
            answers = await asyncio.gather(*(other.ask(100) for _ in range(50)))
            assert all(isinstance(answer, Denial) for answer in answers)
            support = caller(team="support")
            assert isinstance(await other.ask(9_500, by=support), Grant)

    run(main())


def test_a_namespaces_own_limit_counts_there_alone(server: RedisServer) -> None:
    limits = [limit("Quota/x", KIND.TOKENS_PER_MONTH, 1_000)]
    one = Replica(server.port, "one", limits, namespace="team-a", grace_ms=50)
    same = Replica(server.port, "same", limits, namespace="team-a", grace_ms=50)
    other = Replica(server.port, "other", limits, namespace="team-b", grace_ms=50)

    async def main() -> None:
        async with replicas(one, same, other):
            await one.granted(1_000)
            assert isinstance(await same.ask(1), Denial)
            await other.granted(1_000)

    run(main())


def test_a_second_window_slides(server: RedisServer) -> None:
    """No second ever sees more than the limit, though calls come and go over several."""
    limits = shared(limit("a", KIND.REQUESTS_PER_SECOND, 50))
    them = [Replica(server.port, f"r{n}", limits, grace_ms=50) for n in range(3)]
    admitted: list[int] = []

    async def caller_of(one: Replica, seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(30):
            await asyncio.sleep(chance.random() * 0.1)
            if isinstance(await one.ask(1), Grant):
                admitted.append(one.clock())

    async def main() -> None:
        async with replicas(*them):
            await asyncio.gather(*(caller_of(them[n % 3], n) for n in range(12)))

    run(main())
    admitted.sort()
    busiest = max(sum(1 for at in admitted if begin <= at < begin + 1_000) for begin in admitted)
    # Clocks of three replicas are put side by side here: each is up to an answer's time ahead.
    assert busiest <= 50 + 3
    assert len(admitted) > 60


def test_a_caller_who_leaves_leaves_nothing_reserved(server: RedisServer) -> None:
    limits = shared(limit("a", KIND.TOKENS_PER_MONTH, 1_000))
    one, other = (Replica(server.port, name, limits, grace_ms=50) for name in ("one", "other"))

    async def main() -> None:
        async with replicas(one, other):
            for turn in range(40):
                asking = asyncio.create_task(one.ask(1_000))
                for _ in range(turn % 8):
                    await asyncio.sleep(0.0005)
                asking.cancel()
                answer = (await asyncio.gather(asking, return_exceptions=True))[0]
                if isinstance(answer, Grant):
                    (key,) = one.admitted
                    await one.settle(key, 0)

            async def free() -> bool:
                return isinstance(await other.ask(1_000), Grant)

            await until(free)

    run(main())
