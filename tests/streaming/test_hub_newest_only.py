"""The hub gives each reader the newest config of its namespace, and numbers only ever grow."""

import asyncio
from collections.abc import AsyncIterator

from bailiwick_contract.canon import digest
from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_operator.publish.hub import Hub, Published, Version


def config(text: str) -> TenantConfig:
    return TenantConfig(contract_version=1, tenant=text)


def tenant_of(published: Published) -> str:
    return TenantConfig.FromString(published.config).tenant


async def take(updates: AsyncIterator[Published]) -> Published:
    return await asyncio.wait_for(anext(updates), 5)


def test_unchanged_config_keeps_its_version() -> None:
    """The same config again is not published again."""
    hub = Hub(now_ms=lambda: 1000)

    first = hub.put("ns", config("a"))

    assert hub.put("ns", config("a")) == first == Version(1000, digest(config("a")))


def test_sequence_grows_when_the_clock_goes_back() -> None:
    """A greater sequence is newer, whatever the clock says."""
    times = iter([1000, 10, 10])
    hub = Hub(now_ms=lambda: next(times))

    found = [hub.put("ns", config(text)).sequence for text in "abc"]

    assert found == [1000, 1001, 1002]


def test_restart_keeps_the_version_of_an_unchanged_config() -> None:
    """A new operator that compiles the same config publishes it as the version that is stored."""
    stored = Hub(now_ms=lambda: 5000).put("ns", config("a"))
    restarted = Hub(now_ms=lambda: 10)

    assert restarted.put("ns", config("a"), stored=stored) == stored
    assert restarted.put("ns", config("b"), stored=stored).sequence == 5001


def test_restart_with_another_config_is_newer_than_what_is_stored() -> None:
    """A new operator whose clock is behind still publishes a greater sequence."""
    restarted = Hub(now_ms=lambda: 10)

    made = restarted.put("ns", config("b"), stored=Version(5000, digest(config("a"))))

    assert made.sequence == 5001


def test_slow_reader_skips_what_is_in_between() -> None:
    """A reader that was busy gets the newest config only, and an A that came back as newer."""

    async def run() -> None:
        hub = Hub(now_ms=lambda: 1)
        hub.put("ns", config("a"))
        updates = hub.subscribe("ns")
        assert tenant_of(await take(updates)) == "a"

        for text in ("b", "c", "a"):
            hub.put("ns", config(text))
        again = await take(updates)

        assert (tenant_of(again), again.version.sequence) == ("a", 4)
        waiting = asyncio.ensure_future(anext(updates))
        await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()

    asyncio.run(run())


def test_reader_may_come_before_the_config() -> None:
    """A reader of a namespace that has none yet waits for it; another namespace's is not it."""

    async def run() -> None:
        hub = Hub(now_ms=lambda: 1)
        waiting = asyncio.ensure_future(anext(hub.subscribe("ns")))
        await asyncio.sleep(0)
        hub.put("other", config("x"))
        await asyncio.sleep(0)
        assert not waiting.done()

        hub.put("ns", config("a"))

        assert tenant_of(await asyncio.wait_for(waiting, 5)) == "a"

    asyncio.run(run())


def test_dropped_namespace_ends_its_streams() -> None:
    """When a namespace leaves, its readers' streams end."""

    async def run() -> None:
        hub = Hub(now_ms=lambda: 1)
        hub.put("ns", config("a"))
        updates = hub.subscribe("ns")
        await take(updates)
        ending = asyncio.ensure_future(anext(updates, None))
        await asyncio.sleep(0)

        hub.drop("ns")

        assert await asyncio.wait_for(ending, 5) is None
        assert hub.newest("ns") is None

    asyncio.run(run())


def test_reader_that_serves_the_newest_gets_nothing() -> None:
    """An agent that reconnects with what is out already is not sent it again."""

    async def run() -> None:
        hub = Hub(now_ms=lambda: 1)
        version = hub.put("ns", config("a"))
        updates = hub.subscribe("ns", after=version)
        waiting = asyncio.ensure_future(anext(updates))
        await asyncio.sleep(0)
        assert not waiting.done()

        hub.put("ns", config("b"))

        assert tenant_of(await asyncio.wait_for(waiting, 5)) == "b"

    asyncio.run(run())


def test_another_tenant_ends_the_streams_of_the_one_before() -> None:
    """When a namespace changes hands, the old tenant.s reader gets nothing of the new."""

    async def run() -> None:
        hub = Hub(now_ms=lambda: 1)
        hub.put("ns", TenantConfig(tenant="old", tenant_uid="1"))
        updates = hub.subscribe("ns")
        await take(updates)
        ending = asyncio.ensure_future(anext(updates, None))
        await asyncio.sleep(0)

        hub.put("ns", TenantConfig(tenant="new", tenant_uid="2"))

        assert await asyncio.wait_for(ending, 5) is None
        assert tenant_of(await take(hub.subscribe("ns"))) == "new"

    asyncio.run(run())
