"""The work queue: each key at most once, again after it changed, with backoff and resync."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bailiwick_contract.errors import BailiwickError

log = logging.getLogger(__name__)

Handle = Callable[[str], Awaitable[float | None]]
"""Brings one key's world in order.

Returns after how many seconds to look again (infinity: at the next resync), None: never, the key's
world is gone.
"""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast work is retried and repeated; seconds."""

    first_retry: float = 0.5
    """Pause after a first failure; doubles with each further one."""
    longest_retry: float = 60.0
    """Upper bound of that pause."""
    resync: float = 600.0
    """Each known key is looked at again after this long, changed or not (plus 20 %)."""
    timeout: float = 120.0
    """One handling that takes longer is given up and retried."""
    workers: int = 4
    """Keys handled at the same time."""


@dataclass(slots=True)
class _Entry:
    failures: int = 0
    running: bool = False
    again: bool = False
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)
    due: float = 0.0


class WorkQueue:
    """Coalesces keys and hands each to one worker at a time; lives in one event loop."""

    def __init__(self, handle: Handle, *, pace: Pace, rng: random.Random) -> None:
        self._handle = handle
        self._pace = pace
        self._rng = rng
        self._entries: dict[str, _Entry] = {}
        self._ready: asyncio.Queue[str] = asyncio.Queue()
        self._queued: set[str] = set()
        self._open = asyncio.Event()
        self.handled = 0
        self.failed = 0

    @property
    def depth(self) -> int:
        """How many keys wait for a worker now."""
        return len(self._queued)

    @property
    def busy(self) -> int:
        """How many keys workers have in hand now."""
        return sum(entry.running for entry in self._entries.values())

    def add(self, key: str) -> None:
        """Handle this key as soon as a worker is free; once, however often it is added."""
        entry = self._entries.setdefault(key, _Entry())
        if entry.timer is not None:
            entry.timer.cancel()
            entry.timer = None
        if entry.running:
            entry.again = True
        elif key not in self._queued:
            self._queued.add(key)
            self._ready.put_nowait(key)

    def forget(self, key: str) -> None:
        """Stop the resync of a key whose world is gone; a later `add` takes it up again."""
        entry = self._entries.get(key)
        if entry is not None and not entry.running and key not in self._queued:
            if entry.timer is not None:
                entry.timer.cancel()
            del self._entries[key]

    def open(self) -> None:
        """Let workers begin: what they look at is whole."""
        self._open.set()

    async def run(self) -> None:
        """Work until cancelled; nothing before `open`, however much is added."""
        await self._open.wait()
        async with asyncio.TaskGroup() as workers:
            for _ in range(self._pace.workers):
                workers.create_task(self._work())

    async def idle(self) -> None:
        """Return when nothing waits and nothing runs; timers may still be set."""
        await self._ready.join()

    async def _work(self) -> None:
        while True:
            key = await self._ready.get()
            self._queued.discard(key)
            entry = self._entries.setdefault(key, _Entry())
            entry.running, entry.again = True, False
            try:
                pause = await self._once(key, entry)
            finally:
                entry.running = False
                self._ready.task_done()
            if entry.again:
                self.add(key)
            elif pause is None:
                self.forget(key)
            else:
                loop = asyncio.get_running_loop()
                entry.timer = loop.call_later(pause, self.add, key)

    async def _once(self, key: str, entry: _Entry) -> float | None:
        """Handle the key once; the pause until the next time, None: never by itself."""
        resync = self._pace.resync * self._rng.uniform(1.0, 1.2)
        try:
            async with asyncio.timeout(self._pace.timeout):
                wish = await self._handle(key)
        except Exception as error:  # one tenant's failure must not stop another's
            entry.failures += 1
            self.failed += 1
            pause = min(
                self._pace.longest_retry,
                self._pace.first_retry * 2.0 ** min(entry.failures - 1, 16),
            ) * self._rng.uniform(0.8, 1.2)
            log.warning(
                "reconcile failed key=%s failures=%d retry_s=%.1f error=%r",
                key,
                entry.failures,
                pause,
                str(error) or type(error).__name__,
                exc_info=not isinstance(error, BailiwickError | TimeoutError),
            )
            return pause
        entry.failures = 0
        self.handled += 1
        return None if wish is None else min(wish, resync)
