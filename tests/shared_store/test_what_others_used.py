"""What a gateway says of use that is not its own, and of when something was admitted."""

from quota.building import KIND, caller, limit
from shared_store.redis_server import RedisServer
from shared_store.replicas import Replica, replicas, run, until
from shared_store.test_one_limit_for_all import shared

from bailiwick_sidecar.quota.model import Grant

MONTH = shared(limit("a", KIND.TOKENS_PER_MONTH, 1_000_000, each=["user"]))
SECOND = shared(limit("a", KIND.REQUESTS_PER_SECOND, 1))


async def used(one: Replica) -> int:
    now = one.clock()
    await one.store.hear(caller(), now)
    (state,) = await one.store.states(caller(), now)
    return state.used


def test_says_what_another_used_though_it_served_nothing_itself(server: RedisServer) -> None:
    one, other = (Replica(server.port, name, MONTH, grace_ms=50) for name in ("one", "other"))

    async def main() -> None:
        async with replicas(one, other):
            key = await one.granted(3_000)
            await until(lambda: not one.store.lessee.has_news)
            # Of what it was granted on top, nothing is used.
            assert await used(other) == 3_000
            await one.settle(key, 100)
            await until(lambda: not one.store.lessee.has_news)
            assert await used(other) == 100
            assert await used(one) == 100

    run(main())


def test_says_what_it_last_heard_while_the_store_is_away(server: RedisServer) -> None:
    one = Replica(server.port, "one", MONTH, grace_ms=50)

    async def main() -> None:
        async with replicas(one):
            await one.granted(300)
            server.kill()
            assert await used(one) == 300
            await until(lambda: one.store.outage.since is not None)
            assert await used(one) == 300

    run(main())


def test_a_call_that_waited_counts_from_when_it_was_granted(server: RedisServer) -> None:
    """Filed under when it came, a restart would put two into one second."""
    one, other = (Replica(server.port, name, SECOND, grace_ms=50) for name in ("one", "other"))

    async def main() -> None:
        async with replicas(one, other):
            first = second = await one.ask()
            assert isinstance(first, Grant)
            while second is first or not isinstance(second, Grant):
                second = await other.ask()
            assert second.at - first.at >= 999

    run(main())
