"""Stores of several servers: Sentinels that name the primary, a cluster that sends callers on."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from quota.building import KIND, limit
from shared_store.redis_groups import Cluster, Watched
from shared_store.replicas import PREFIX, Replica, replicas, run, until
from shared_store.test_one_limit_for_all import shared

from bailiwick_cli.store_acl import acl
from bailiwick_contract.v1.tenant_config_pb2 import QuotaStore
from bailiwick_sidecar.quota.model import Denial, Grant, QuotaUnavailableError
from bailiwick_sidecar.shared.address import StoreAddress

MONTH = shared(limit("a", KIND.TOKENS_PER_MONTH, 1_000))


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with Watched(tmp_path / "watched").running() as running:
        yield running


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path / "cluster").running() as running:
        yield running


def two(at: StoreAddress, **more: str) -> tuple[Replica, Replica]:
    one, other = (Replica(at, name, MONTH, **more) for name in ("one", "other"))  # type: ignore[arg-type]
    return one, other


def answered(one: Replica) -> bool:
    """True where the store is there for it."""
    return one.store.outage.since is None and bool(one.connection.server)


async def fills(one: Replica, left: int) -> None:
    assert isinstance(await one.ask(left + 1), Denial)
    assert isinstance(await one.ask(left), Grant)
    assert isinstance(await one.ask(1), Denial)


def test_sentinels_name_the_primary_and_its_successor(watched: Watched) -> None:
    """The primary dies: both gateways go to the one that took over, and the month goes on."""
    one, other = two(watched.address)

    async def main() -> None:
        async with replicas(one, other):
            await one.granted(300)
            await other.granted(100)
            watched.primary.kill()
            await until(watched.promoted, seconds=60)
            for each in (one, other):
                await until(
                    lambda each=each: (
                        each.store.outage.since is None and bool(each.connection.server)
                    ),  # type: ignore[misc]
                    seconds=60,
                )
            await fills(other, 600)
            assert watched.replica.client().keys(f"{PREFIX}:c:*")

    run(main())


def test_one_sentinel_that_answers_is_enough(watched: Watched) -> None:
    one, other = two(watched.address)
    for sentinel in watched.sentinels[:2]:
        sentinel.kill()

    async def main() -> None:
        async with replicas(one, other):
            await one.granted(300)
            await fills(other, 700)

    run(main())


def test_a_name_that_no_sentinel_knows_is_said(watched: Watched) -> None:
    address = StoreAddress(sentinels=watched.address.sentinels, primary="acmee")
    one, _ = two(address)

    async def main() -> None:
        async with replicas(one):
            await until(lambda: one.store.outage.since is not None)
            with pytest.raises(QuotaUnavailableError, match="'acmee' of the Sentinels"):
                await one.ask(1)

    run(main())


def test_a_cluster_counts_a_tenant_in_one_slot(cluster: Cluster) -> None:
    """Whichever node is named first, all keys are on the one that has the tenant's slot."""
    _, home = cluster.home(PREFIX)
    away = cluster.nodes[(home + 1) % 3]
    one, other = two(StoreAddress(nodes=(("127.0.0.1", away.port),)))

    async def main() -> None:
        async with replicas(one, other):
            await one.granted(300)
            await fills(other, 700)

    run(main())
    assert [bool(node.client().keys("*")) for node in cluster.nodes] == [
        number == home for number in range(3)
    ]


def test_a_slot_that_moves_is_followed(cluster: Cluster) -> None:
    """MOVED to where it is now: nothing of the month is lost, nothing is twice.

    While it is under way no node runs a script over keys that are not there yet: an outage.
    """
    one, other = two(cluster.address)
    slot, home = cluster.home(PREFIX)
    target = (home + 1) % 3

    async def main() -> None:
        async with replicas(one, other):
            await one.granted(300)
            await other.granted(100)
            await until(lambda: not (one.store.lessee.has_news or other.store.lessee.has_news))
            before = one.connection.server
            await asyncio.to_thread(cluster.begin_move, slot, home, target)
            with pytest.raises(QuotaUnavailableError):
                await one.ask(1)
            await asyncio.to_thread(cluster.end_move, slot, target)
            for each in (one, other):
                await until(lambda each=each: answered(each), 60)  # type: ignore[misc]
                assert each.connection.server != before
            await fills(other, 600)

    run(main())
    assert not cluster.nodes[home].client().keys("*")


def test_a_node_that_dies_is_an_outage_until_it_is_back(cluster: Cluster) -> None:
    """The node with the tenant's slot, which has no replica: no other can count for it."""
    one, other = two(cluster.address)
    _, home = cluster.home(PREFIX)

    async def main() -> None:
        async with replicas(one, other):
            await one.granted(300)
            cluster.nodes[home].kill()
            await until(lambda: one.store.outage.since is not None)
            with pytest.raises(QuotaUnavailableError):
                await one.ask(1)
            cluster.nodes[home].start()
            for each in (one, other):
                await until(
                    lambda each=each: (
                        each.store.outage.since is None and bool(each.connection.server)
                    ),  # type: ignore[misc]
                    seconds=40,
                )
            await fills(other, 700)

    run(main())


def test_a_tenants_user_is_enough_in_a_cluster(cluster: Cluster) -> None:
    """With what `bailiwick store-acl` prints for one, and without a right more."""
    told = QuotaStore(prefix=PREFIX, nodes=[QuotaStore.Endpoint(host="127.0.0.1", port=1)])
    text = acl(told, "acme", "")
    assert "on every node" in text
    (line,) = [one for one in text.splitlines() if one.startswith("ACL SETUSER")]
    for node in cluster.nodes:
        node.client().execute_command(*line.replace("PASSWORD", "of-acme").split())
    nodes = cluster.address.nodes
    one, other = two(StoreAddress(nodes=nodes, user="bailiwick-acme"), password="of-acme")
    wrong = Replica(StoreAddress(nodes=nodes, user="bailiwick-acme"), "w", MONTH, password="0815")

    async def main() -> None:
        async with replicas(one, other, wrong):
            await one.granted(300)
            await fills(other, 700)
            await until(lambda: wrong.store.outage.reason == "Refused")

    run(main())
