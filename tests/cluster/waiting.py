"""Waiting for a state of the world, with a deadline that only a failure reaches."""

import asyncio
import time
from collections.abc import Awaitable, Callable


async def eventually(
    holds: Callable[[], Awaitable[object]], *, within: float = 30.0, every: float = 0.05
) -> None:
    """Return when `holds` does; AssertionError with what it said last otherwise."""
    deadline = time.monotonic() + within
    while not (said := await holds()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{holds.__name__} did not hold within {within} s: {said!r}")
        await asyncio.sleep(every)
