"""Does a run's faults, one after the other, and takes the time until the gateway serves again."""

import asyncio
import contextlib
import os
import resource
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

from bench.faults.evidence import Fault
from bench.faults.plan import FaultKind, Planned
from bench.faults.resources import NAMESPACE
from bench.faults.world import POLL_S, READY_S, World, WorldError, alive, until

AGENT: Final = "bailiwick_sidecar"
ENVOY: Final = "envoy"
STEP_S: Final = 45.0
"""How far clocks are moved: most of a minute, so that windows would empty early."""
ROOM: Final = 500
"""Bytes that a full disk still takes: a few records, the last of them in part."""


class Injector:
    """Faults of one world; `done` is what was done."""

    def __init__(self, world: World, *, progress: Callable[[], int]) -> None:
        self.done: list[Fault] = []
        self._world = world
        self._progress = progress

    async def run(self, planned: Sequence[Planned]) -> None:
        """Every fault has been done and is over."""
        for fault in planned:
            while self._progress() < fault.at_call:
                await asyncio.sleep(POLL_S)
            self.done.append(await self._do(fault))

    async def _do(self, fault: Planned) -> Fault:
        began = time.time()
        measured = False
        match fault.kind:
            case FaultKind.KILL_AGENT:
                await self._kill(AGENT)
                measured = True
            case FaultKind.KILL_ENVOY:
                await self._kill(ENVOY)
                measured = True
            case FaultKind.KILL_BOTH:
                await self._kill(ENVOY, AGENT)
                measured = True
            case FaultKind.KILL_ALL:
                self._world.kill_up()
                self._world.start()
                measured = True
            case FaultKind.KILL_PROVIDER:
                provider = self._world.providers[fault.target]
                provider.kill()
                await asyncio.sleep(fault.amount)
                provider.start()
            case FaultKind.PAUSE_AGENT:
                await self._pause(self._world.pid(AGENT), fault.amount)
            case FaultKind.PAUSE_ENVOY:
                await self._pause(self._world.pid(ENVOY), fault.amount)
            case FaultKind.PAUSE_PROVIDER:
                await self._pause(self._world.providers[fault.target].process.pid, fault.amount)
            case FaultKind.FILL_DISK:
                async with self._full():
                    await asyncio.sleep(fault.amount)
            case FaultKind.LOCK_LEDGER:
                async with self._locked():
                    await asyncio.sleep(fault.amount)
            case FaultKind.CLOCK_AHEAD:
                self._world.clock.write_text(str(STEP_S))
            case FaultKind.CLOCK_BACK:
                self._world.clock.write_text("0")
        lifted = time.time()
        await self._serves()
        recovered = time.time()
        return Fault(
            kind=fault.kind.value,
            target=fault.target,
            began=began,
            lifted=lifted,
            recovered=recovered,
            amount=fault.amount,
            recovery_s=recovered - began if measured else None,
        )

    async def _serves(self) -> None:
        end = time.monotonic() + READY_S
        while not await self._world.ready():
            if time.monotonic() > end:
                raise WorldError(f"the gateway did not serve again within {READY_S:.0f} s")
            await asyncio.sleep(POLL_S)

    async def _kill(self, *words: str) -> None:
        pids = [await self._running(word) for word in words]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for pid in pids:
            await until(f"process {pid} gone", lambda pid=pid: not alive(pid))  # type: ignore[misc]

    async def _running(self, word: str) -> int:
        await until(f"{word} runs", lambda: self._world.pid(word) > 0)
        return self._world.pid(word)

    async def _pause(self, pid: int, seconds: float) -> None:
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        os.kill(pid, signal.SIGCONT)

    @contextlib.asynccontextmanager
    async def _full(self) -> AsyncIterator[None]:
        """No file of the agent grows past where its journal is now."""
        pid = await self._running(AGENT)
        sizes = [segment.stat().st_size for segment in self._world.journal.glob("*.journal")]
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (max(sizes, default=0) + ROOM, before[1]))
        try:
            yield
        finally:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before)

    @contextlib.asynccontextmanager
    async def _locked(self) -> AsyncIterator[None]:
        """Somebody else has the database to himself."""
        database = self._world.data / "state" / NAMESPACE / "ledger.db"
        with contextlib.closing(sqlite3.connect(database, timeout=5)) as held:
            held.execute("BEGIN IMMEDIATE")
            yield
            held.rollback()
