"""The store dies, hangs, forgets, refuses: what gateways say meanwhile, and what counts after."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from quota.building import KIND, caller, limit
from shared_store.redis_server import RedisServer
from shared_store.replicas import PREFIX, Replica, replicas, run, until
from shared_store.test_one_limit_for_all import shared

from bailiwick_cli.store_acl import acl
from bailiwick_contract.v1.tenant_config_pb2 import OnOutage, QuotaStore
from bailiwick_sidecar.quota.limits import CompiledLimit
from bailiwick_sidecar.quota.model import Denial, Grant, QuotaUnavailableError

MONTH = shared(limit("a", KIND.TOKENS_PER_MONTH, 1_000))


def two(
    server: RedisServer,
    limits: Sequence[CompiledLimit] = MONTH,
    policy: OnOutage.QuotaStore = OnOutage.QUOTA_STORE_DENY,
) -> tuple[Replica, Replica]:
    one, other = (
        Replica(server.port, name, limits, policy=policy, grace_ms=1_500)
        for name in ("one", "other")
    )
    return one, other


async def gone(one: Replica) -> None:
    """Until it has noticed that the store is away."""
    await until(lambda: one.store.outage.since is not None)


async def back(*them: Replica) -> None:
    for one in them:
        await until(lambda one=one: one.store.outage.since is None)  # type: ignore[misc]


async def use_of(one: Replica) -> int:
    """What the store says that is used of the only limit, by all."""
    await one.ask(1_000_000)
    for counter in one.engine.counters():
        counter.retell()  # type: ignore[attr-defined]
    await until(lambda: not one.store.lessee.has_news)
    (state,) = await one.store.states(caller(), one.clock())
    return state.used


def test_denies_while_it_is_away_and_counts_on_when_it_is_back(server: RedisServer) -> None:
    one, other = two(server)

    async def main() -> None:
        async with replicas(one, other):
            await one.granted(300)
            await other.granted(300)
            server.kill()
            await gone(one)
            with pytest.raises(QuotaUnavailableError):
                await one.ask(1)
            assert one.store.outage.degraded()[0].dependency == "quota-store"
            server.start()  # with nothing in it
            await back(one, other)
            assert isinstance(await one.ask(401), Denial)
            assert isinstance(await other.ask(400), Grant)
            assert isinstance(await one.ask(1), Denial)
            assert one.store.outage.seconds(one.clock()) > 0
            assert not one.store.outage.degraded()

    run(main())


def test_allows_everything_meanwhile_and_counts_it_once(server: RedisServer) -> None:
    one, other = two(server, policy=OnOutage.QUOTA_STORE_ALLOW)

    async def main() -> None:
        async with replicas(one, other):
            await one.granted(300)
            server.kill()
            await gone(one)
            await gone(other)
            await one.granted(2_000)
            key = await other.granted(500)
            server.start()
            await back(one, other)
            assert isinstance(await other.ask(1), Denial)
            await other.settle(key, 100)
            await until(lambda: not other.store.lessee.has_news)
            await asyncio.sleep(1.5)
            assert await use_of(one) == 300 + 2_000 + 100

    run(main())


def test_shares_what_was_left_among_those_who_live(server: RedisServer) -> None:
    """600 of 1,000 used: each of two gateways may use 200 more, and not one beyond."""
    one, other = two(server, policy=OnOutage.QUOTA_STORE_LOCAL_SHARE)

    async def main() -> None:
        async with replicas(one, other):
            await one.granted(500)
            await other.granted(100)
            await asyncio.sleep(0.5)
            for each in (one, other):
                assert await use_of(each) == 600
                assert each.store.lessee.live == 2
            server.kill()
            await gone(one)
            await gone(other)
            for each in (one, other):
                assert isinstance(await each.ask(201), Denial)
                await each.granted(150)
                await each.granted(50)
                assert isinstance(await each.ask(1), Denial)
            server.start()
            await back(one, other)
            assert isinstance(await one.ask(1), Denial)
            await asyncio.sleep(1.5)
            assert await use_of(one) == 1_000

    run(main())


def test_who_never_met_the_store_shares_nothing(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)  # not started
    one, _ = two(server, policy=OnOutage.QUOTA_STORE_LOCAL_SHARE)

    async def main() -> None:
        async with replicas(one):
            await gone(one)
            with pytest.raises(QuotaUnavailableError):
                await one.ask(1)

    run(main())


def test_forgets_everything_while_it_runs(server: RedisServer) -> None:
    """FLUSHALL: the next message of each gateway brings all back, before anything is granted."""
    one, other = two(server)

    async def main() -> None:
        async with replicas(one, other):
            await one.granted(500)
            await other.granted(500)
            server.client().flushall()
            # At once, from whoever is first: nobody sees half of what was used.
            assert all(
                isinstance(answer, Denial)
                for answer in await asyncio.gather(*(one.ask(1) for _ in range(20)))
            )
            assert isinstance(await other.ask(1), Denial)
            assert one.store.lessee.losses + other.store.lessee.losses >= 1

    run(main())


def test_loses_the_last_seconds_as_a_failover_does(tmp_path: Path) -> None:
    """A replica takes over that missed the last writes: they are told again."""
    primary, replica = RedisServer(tmp_path), RedisServer(tmp_path)
    with primary.running(), replica.running():
        one, other = two(primary)
        replica.client().replicaof("127.0.0.1", primary.port)

        async def main() -> None:
            async with replicas(one, other):
                await one.granted(300)
                await asyncio.sleep(0.6)
                follower = replica.client()
                await until(lambda: bool(follower.keys(f"{PREFIX}:c:*")))
                # The connection between the two is cut, and the primary counts on.
                follower.replicaof("NO", "ONE")
                await other.granted(400)
                await one.granted(100)
                await asyncio.sleep(0.5)
                primary.kill()
                for each in (one, other):
                    address = each.connection.address
                    each.connection.move(type(address)(address.host, replica.port))
                await back(one, other)
                answers = await asyncio.gather(*(one.ask(201) for _ in range(3)))
                assert all(isinstance(answer, Denial) for answer in answers)
                assert isinstance(await other.ask(200), Grant)

        run(main())


def test_forgets_its_scripts(server: RedisServer) -> None:
    one, _ = two(server)

    async def main() -> None:
        async with replicas(one):
            await one.granted(100)
            server.client().script_flush()
            await one.granted(100)
            assert one.store.outage.since is None

    run(main())


def test_hangs(server: RedisServer) -> None:
    """SIGSTOP: calls are refused, and pass when it goes on; late answers count nothing."""
    one, other = two(server)

    async def main() -> None:
        async with replicas(one, other):
            await one.granted(100)
            server.freeze()
            try:
                await gone(one)
                with pytest.raises(QuotaUnavailableError):
                    await one.ask(1)
            finally:
                server.thaw()
            await back(one, other)
            used = one.tokens + other.tokens
            assert isinstance(await other.ask(1_000 - used + 1), Denial)
            assert isinstance(await other.ask(1_000 - used), Grant)

    run(main())


def test_a_restart_that_keeps_its_data_goes_unnoticed(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, "--appendonly", "yes", "--appendfsync", "always")
    one, _ = two(server)

    async def main() -> None:
        async with replicas(one):
            await one.granted(300)
            await asyncio.sleep(0.5)
            server.kill()
            server.start()
            await one.granted(700)
            assert isinstance(await one.ask(1), Denial)

    with server.running():
        run(main())


def test_a_gateway_that_starts_again_counts_nothing_twice(server: RedisServer) -> None:
    """Its journal says what it used; the store has that already, in its name."""
    limits = shared(
        limit("m", KIND.TOKENS_PER_MONTH, 1_000), limit("w", KIND.TOKENS_PER_MINUTE, 1_000)
    )
    one, other = two(server, limits)

    async def main() -> None:
        async with replicas(other):
            one.start()
            key = await one.granted(300)
            await one.granted(200)
            await one.kill()
            again = Replica(server.port, "one", limits, grace_ms=1_500)
            again.engine.load(one.engine.dump())
            again.admitted = dict(one.admitted)
            async with replicas(again):
                await again.settle(key, 100)
                assert isinstance(await other.ask(701), Denial)
                await other.granted(700)
                assert isinstance(await again.ask(1), Denial)

    run(main())


def test_a_gateway_that_is_gone_keeps_what_it_used(server: RedisServer) -> None:
    one, other = two(server)

    async def main() -> None:
        async with replicas(other):
            one.start()
            await one.granted(600)
            await asyncio.sleep(0.5)
            await one.kill()
            assert isinstance(await other.ask(401), Denial)
            await other.granted(400)

    run(main())


def test_ends_when_it_is_told_to(server: RedisServer) -> None:
    """Cancelled at any moment, connecting, asking or waiting: it ends."""

    async def main() -> None:
        for turn in range(60):
            one, _ = two(server)
            one.start()
            await asyncio.sleep(turn * 0.001)
            async with asyncio.timeout(5):
                await one.kill()

    run(main())


# --- users ---


def with_user(server: RedisServer, tenant: str) -> str:
    """Make the user that `bailiwick store-acl` describes; returns its password."""
    store = QuotaStore(prefix=f"{{bailiwick:{tenant}}}")
    (line,) = [one for one in acl(store, tenant, "").splitlines() if one.startswith("ACL SETUSER")]
    password = f"password-of-{tenant}"
    server.client().execute_command(*line.replace("PASSWORD", password).split())
    return password


def test_a_tenants_user_counts_and_touches_nothing_else(server: RedisServer) -> None:
    acme, globex = (with_user(server, name) for name in ("acme", "globex"))
    own = Replica(server.port, "own", MONTH, user="bailiwick-acme", password=acme, grace_ms=50)
    strange = Replica(
        server.port, "strange", MONTH, user="bailiwick-globex", password=globex, grace_ms=50
    )

    async def main() -> None:
        async with replicas(own, strange):
            await own.granted(400)
            # The same prefix as another tenant's user: not its keys, so nothing is counted.
            await gone(strange)
            with pytest.raises(QuotaUnavailableError):
                await strange.ask(1)
            assert strange.store.outage.reason == "Refused"

    run(main())
    client = server.client(username="bailiwick-globex", password=globex)
    for command in (
        ("HGETALL", f"{PREFIX}:state"),
        ("KEYS", "*"),
        ("FLUSHALL",),
        ("CONFIG", "GET", "*"),
        ("ACL", "LIST"),
        ("CLIENT", "LIST"),
        ("EVAL", "return redis.call('HGETALL', KEYS[1])", "1", f"{PREFIX}:state"),
        ("EVAL", f"return redis.call('HGETALL', '{PREFIX}:state')", "0"),
    ):
        with pytest.raises(Exception, match=r"(?i)permission|not have|can't access"):
            client.execute_command(*command)


def test_a_wrong_password_is_said_and_never_shown(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    with_user(server, "acme")
    one = Replica(server.port, "one", MONTH, user="bailiwick-acme", password="wrong-0815")

    async def main() -> None:
        async with replicas(one):
            await gone(one)
            with pytest.raises(QuotaUnavailableError, match="refuses user 'bailiwick-acme'"):
                await one.ask(1)

    run(main())
    assert "quota_store_away" in caplog.text
    assert "0815" not in caplog.text
