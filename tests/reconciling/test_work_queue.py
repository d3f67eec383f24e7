"""The queue handles each key once per change, retries with backoff, and comes back by itself."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from bailiwick_operator.work import Pace, WorkQueue

FOREVER = float("inf")


def queue_of(handle: Callable[[str], Awaitable[float | None]], **pace: float) -> WorkQueue:
    return WorkQueue(handle, pace=Pace(**pace), rng=random.Random(1))  # type: ignore[arg-type]


async def running(queue: WorkQueue, until: Callable[[], bool]) -> None:
    """Run the queue until something holds; five seconds are a failure."""
    queue.open()
    task = asyncio.create_task(queue.run())
    try:
        async with asyncio.timeout(5):
            while not until():  # noqa: ASYNC110 - what it waits for has no event
                await asyncio.sleep(0.001)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_many_additions_are_one_handling() -> None:
    """A key that waits is not added again."""
    handled: list[str] = []

    async def handle(key: str) -> float:
        handled.append(key)
        return FOREVER

    async def run() -> None:
        queue = queue_of(handle)
        for _ in range(100):
            queue.add("a")
        queue.add("b")
        await running(queue, lambda: len(handled) >= 2)

    asyncio.run(run())
    assert handled == ["a", "b"]


def test_what_is_in_hand_is_told_from_what_waits() -> None:
    """With one worker: one key in its hands, one that waits; then neither."""
    seen: list[tuple[int, int]] = []

    async def run() -> None:
        async def handle(_: str) -> float:
            seen.append((queue.busy, queue.depth))
            return FOREVER

        queue = queue_of(handle, workers=1)
        queue.add("a")
        queue.add("b")
        await running(queue, lambda: queue.handled == 2)
        seen.append((queue.busy, queue.depth))

    asyncio.run(run())
    assert seen == [(1, 1), (1, 0), (0, 0)]


def test_a_change_during_handling_is_handled_once_more() -> None:
    """What changes while a key is handled is not lost, and a key never runs twice at once."""
    handled = 0
    at_once = 0

    async def run() -> None:
        async def handle(key: str) -> float:
            nonlocal handled, at_once
            handled += 1
            at_once += 1
            assert at_once == 1
            if handled == 1:
                for _ in range(3):
                    queue.add(key)
                    await asyncio.sleep(0)
            at_once -= 1
            return FOREVER

        queue = queue_of(handle, workers=4)
        queue.add("a")
        await running(queue, lambda: handled >= 2 and queue.depth == 0)

    asyncio.run(run())
    assert handled == 2


def test_a_failure_is_retried_until_it_succeeds() -> None:
    """A key that fails comes back by itself; another key's failure does not hold it up."""
    attempts: dict[str, int] = {"bad": 0, "good": 0}

    async def handle(key: str) -> float:
        attempts[key] += 1
        if key == "bad" and attempts[key] < 4:
            raise RuntimeError("not yet")
        return FOREVER

    async def run() -> None:
        queue = queue_of(handle, first_retry=0.001, workers=1)
        queue.add("bad")
        queue.add("good")
        await running(queue, lambda: queue.handled >= 2)
        assert queue.failed == 3

    asyncio.run(run())
    assert attempts == {"bad": 4, "good": 1}


def test_a_hung_handling_is_given_up() -> None:
    """A handling that takes too long is a failure, and retried."""
    attempts = 0

    async def handle(_: str) -> float:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            await asyncio.Event().wait()
        return FOREVER

    async def run() -> None:
        queue = queue_of(handle, first_retry=0.001, timeout=0.01)
        queue.add("a")
        await running(queue, lambda: queue.handled >= 1)

    asyncio.run(run())
    assert attempts == 2


def test_a_wish_to_look_again_is_granted() -> None:
    """A handler that says when to look again is called then, without any change."""
    handled = 0

    async def handle(_: str) -> float:
        nonlocal handled
        handled += 1
        return 0.001

    async def run() -> None:
        queue = queue_of(handle)
        queue.add("a")
        await running(queue, lambda: handled >= 3)

    asyncio.run(run())


def test_resync_comes_by_itself_and_ends_with_the_key() -> None:
    """Every key is looked at again now and then, until its handler says that it is gone."""
    handled = 0

    async def handle(_: str) -> float | None:
        nonlocal handled
        handled += 1
        return None if handled == 3 else FOREVER

    async def run() -> None:
        queue = queue_of(handle, resync=0.001)
        queue.add("a")
        await running(queue, lambda: handled >= 3)
        assert queue._entries == {}

    asyncio.run(run())
    assert handled == 3


def test_nothing_is_handled_before_the_world_is_whole() -> None:
    """Keys that are added while indices are filled wait, however early they come."""
    handled: list[str] = []

    async def handle(key: str) -> float:
        handled.append(key)
        return FOREVER

    async def run() -> None:
        queue = queue_of(handle)
        task = asyncio.create_task(queue.run())
        queue.add("a")
        for _ in range(20):
            await asyncio.sleep(0)
        assert handled == []
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        await running(queue, lambda: handled == ["a"])

    asyncio.run(run())
