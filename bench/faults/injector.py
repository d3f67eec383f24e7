"""Does a run's faults, one after the other, and takes the time until the gateway serves again."""

import asyncio
import contextlib
import os
import resource
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.faults.central_faults import CentralFaults
from bench.faults.evidence import Fault
from bench.faults.kinds import CLOCKS, KILLS, UNFELT, FaultKind
from bench.faults.processes import POLL_S, READY_S, StoreProcess, WorldError, alive, until
from bench.faults.schedule import Planned
from bench.faults.world import World

AGENT: Final = "bailiwick_sidecar"
ENVOY: Final = "envoy"
STEP_S: Final = 45.0
"""How far clocks are moved: most of a minute, so that windows would empty early."""
ROOM: Final = 500
"""Bytes that a full disk still takes: a few records, the last of them in part."""
Act = Callable[[Planned], Awaitable[bool | None]]
"""False: it did not come to what it is called."""


def _fill_up(path: Path) -> None:
    """The file system has no byte left."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (1 << 16, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass


class Injector:
    """Faults of one world; `done` is what was done."""

    def __init__(
        self, world: World, *, progress: Callable[[], int], apart: int, done: list[Fault]
    ) -> None:
        """Faults of this world; after each, `apart` calls begin before the next."""
        self.done = done
        self._world = world
        self._progress = progress
        self._apart = apart

    async def run(self, planned: Sequence[Planned], *, last: int) -> None:
        """Faults have been done in their order until call `last` began: faults need a load.

        Where they take longer than there is room for, the clocks' turn comes all the same.
        """
        clocks = [fault for fault in planned if fault.kind in CLOCKS]
        others = [fault for fault in planned if fault.kind not in CLOCKS]
        await self._until(others, min([last, *(fault.at_call for fault in clocks)]))
        await self._until(clocks, last)

    async def _until(self, planned: Sequence[Planned], last: int) -> None:
        earliest = 0
        for fault in planned:
            # Callers do not tell: what begins next is only known by looking.
            while self._progress() < min(last, max(fault.at_call, earliest)):  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
            if self._progress() >= last:
                return
            self.done.append(await self._do(fault))
            earliest = self._progress() + self._apart

    async def _do(self, fault: Planned) -> Fault:
        began = time.time()
        # Without a commit whose answer could be lost, the network only stalled.
        came = await self._acts[fault.kind](fault) is not False
        kind = fault.kind if came else FaultKind.STALL_NETWORK
        lifted = time.time()
        await (self._takes_rows() if fault.kind.value in UNFELT else self._serves())
        recovered = time.time()
        return Fault(
            kind=kind.value,
            target=fault.target,
            began=began,
            lifted=lifted,
            recovered=recovered,
            amount=fault.amount,
            recovery_s=recovered - began if fault.kind in KILLS else None,
        )

    @property
    def _acts(self) -> Mapping[FaultKind, Act]:
        world = self._world
        return {
            FaultKind.KILL_AGENT: lambda fault: self._kill(fault, AGENT),
            FaultKind.KILL_ENVOY: lambda fault: self._kill(fault, ENVOY),
            FaultKind.KILL_BOTH: lambda fault: self._kill(fault, ENVOY, AGENT),
            FaultKind.KILL_ALL: lambda _: self._kill_all(),
            FaultKind.KILL_PROVIDER: self._kill_provider,
            FaultKind.PAUSE_AGENT: lambda fault: self._pause(
                world.pid(AGENT, self._at(fault)), fault
            ),
            FaultKind.PAUSE_ENVOY: lambda fault: self._pause(
                world.pid(ENVOY, self._at(fault)), fault
            ),
            FaultKind.PAUSE_PROVIDER: lambda fault: self._pause(
                world.providers[fault.target].process.pid, fault
            ),
            FaultKind.FILL_DISK: self._fill,
            FaultKind.KILL_FULL: self._kill_full,
            FaultKind.LOCK_LEDGER: self._lock,
            FaultKind.KILL_STORE: self._kill_store,
            FaultKind.PAUSE_STORE: lambda fault: self._pause(self._store.process.pid, fault),
            FaultKind.EMPTY_STORE: lambda _: self._store.forget(),
            FaultKind.KILL_DATABASE: lambda fault: self._central.kill_database(fault.amount),
            FaultKind.PAUSE_DATABASE: lambda fault: self._central.pause("database", fault.amount),
            FaultKind.KILL_COLLECTOR: lambda fault: self._central.kill_collector(fault.amount),
            FaultKind.PAUSE_COLLECTOR: lambda fault: self._central.pause("collector", fault.amount),
            FaultKind.CUT_NETWORK: lambda fault: self._central.cut_network(fault.amount),
            FaultKind.STALL_NETWORK: lambda fault: self._central.stall_network(fault.amount),
            FaultKind.LOSE_ANSWER: lambda _: self._central.lose_answer(),
            FaultKind.CUT_ANSWER: lambda _: self._central.cut_answer(),
            FaultKind.PAUSE_API: lambda fault: self._central.pause("api", fault.amount),
            FaultKind.CLOCK_AHEAD: lambda _: self._set_clock(STEP_S),
            FaultKind.CLOCK_BACK: lambda _: self._set_clock(0),
        }

    @property
    def _central(self) -> CentralFaults:
        if self._world.central is None:
            raise WorldError("this run has no collector")
        return CentralFaults(self._world.central)

    async def _takes_rows(self) -> None:
        if self._world.central is not None:
            await self._world.central.serves()

    @property
    def _store(self) -> StoreProcess:
        store = self._world.store
        if store is None:
            raise WorldError("one gateway has no store that it shares: use --shared")
        return store

    def _at(self, fault: Planned) -> int:
        """The gateway that it befalls."""
        return int(fault.target or 0) % len(self._world.namespaces)

    async def _serves(self) -> None:
        end = time.monotonic() + READY_S
        while not await self._world.ready():
            if time.monotonic() > end:
                raise WorldError(f"the gateway did not serve again within {READY_S:.0f} s")
            await asyncio.sleep(POLL_S)

    async def _kill(self, fault: Planned, *words: str) -> None:
        pids = [await self._running(word, self._at(fault)) for word in words]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for pid in pids:
            await until(f"process {pid} gone", lambda pid=pid: not alive(pid))  # type: ignore[misc]

    async def _running(self, word: str, gateway: int) -> int:
        await until(f"{word} runs", lambda: self._world.pid(word, gateway) > 0)
        return self._world.pid(word, gateway)

    async def _kill_all(self) -> None:
        self._world.kill_up()
        self._world.start()

    async def _kill_provider(self, fault: Planned) -> None:
        provider = self._world.providers[fault.target]
        provider.kill()
        await asyncio.sleep(fault.amount)
        await asyncio.to_thread(provider.start)

    async def _kill_store(self, fault: Planned) -> None:
        self._store.kill()
        await asyncio.sleep(fault.amount)
        self._store.start()

    async def _set_clock(self, ahead: float) -> None:
        self._world.clock.write_text(str(ahead))

    async def _pause(self, pid: int, fault: Planned) -> None:
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(fault.amount)
        finally:
            os.kill(pid, signal.SIGCONT)

    async def _fill(self, fault: Planned) -> None:
        async with self._full(self._at(fault)):
            await asyncio.sleep(fault.amount)

    async def _kill_full(self, fault: Planned) -> None:
        """What it could not write dies with it."""
        async with self._full(self._at(fault)):
            await asyncio.sleep(fault.amount / 2)
            await self._kill(fault, AGENT)
            await asyncio.sleep(fault.amount / 2)

    @contextlib.asynccontextmanager
    async def _full(self, gateway: int) -> AsyncIterator[None]:
        """For a while nothing more can be written.

        On a file system of its own nobody has room; elsewhere no file of the agent grows past
        where its journal is now.
        """
        if self._world.own_disk:
            filler = self._world.data / "filler"
            await asyncio.to_thread(_fill_up, filler)
            try:
                yield
            finally:
                filler.unlink()
            return
        pid = await self._running(AGENT, gateway)
        sizes = [
            segment.stat().st_size for segment in self._world.journal(gateway).glob("*.journal")
        ]
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (max(sizes, default=0) + ROOM, before[1]))
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, before)

    async def _lock(self, fault: Planned) -> None:
        """For a while somebody else has the database to himself."""
        if self._world.central is not None:
            await self._central.lock_ledger(fault.amount)
            return
        database = self._world.ledger(self._at(fault))
        with contextlib.closing(sqlite3.connect(database, timeout=5)) as held:
            held.execute("BEGIN IMMEDIATE")
            await asyncio.sleep(fault.amount)
            held.rollback()
