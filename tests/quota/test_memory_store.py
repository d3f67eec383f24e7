"""The store behind its interface."""

import asyncio

from quota.building import KIND, NOW, ask, caller, engine, limit

from bailiwick_sidecar.quota.memory import MemoryStore
from bailiwick_sidecar.quota.model import Amounts, Denial, Grant, QuotaStore


def test_the_memory_store_is_a_quota_store() -> None:
    """Every call of the interface reaches the engine."""
    store: QuotaStore = MemoryStore(
        engine(limit("t", KIND.TOKENS_PER_MINUTE, 100), limit("c", KIND.CONCURRENT_REQUESTS, 1))
    )

    async def scenario() -> dict[str, int]:
        assert isinstance(await store.reserve(ask("a", tokens=60), NOW), Grant)
        assert isinstance(await store.reserve(ask("b", tokens=10), NOW), Denial)
        await store.release(("a", 1), NOW)
        assert isinstance(await store.reserve(ask("b", tokens=10), NOW), Grant)
        assert await store.settle(("a", 1), Amounts(tokens=65, cost=0), NOW) == 5
        await store.void(("b", 1), NOW)
        await store.restore([(ask("c", tokens=7), NOW, None)])
        return {state.limit_id: state.used for state in await store.states(caller(), NOW)}

    assert asyncio.run(scenario()) == {"t": 72, "c": 1}


def test_two_hundred_at_once_reserve_exactly_the_limit() -> None:
    """A burst in one event loop takes as many as fit, no token more, and refuses no other."""
    store = MemoryStore(engine(limit("t", KIND.TOKENS_PER_MINUTE, 23 * 150 + 37)))

    async def burst() -> list[Grant | Denial]:
        calls = [store.reserve(ask(number, tokens=150), NOW) for number in range(200)]
        return await asyncio.gather(*calls)

    answers = asyncio.run(burst())

    assert sum(isinstance(answer, Grant) for answer in answers) == 23
    assert answers[22].tightest[0].used == 23 * 150
