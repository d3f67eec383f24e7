"""One run: a world, its callers, its faults, and the evidence that they leave."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.faults.caller import Callers
from bench.faults.evidence import Evidence, attempts_of
from bench.faults.http import get
from bench.faults.injector import Injector
from bench.faults.plan import calls, faults
from bench.faults.resources import NAMESPACE, TOGETHER
from bench.faults.world import World, WorldError

KEEP_S: Final = 0.02
"""Seconds between looks for new segments of the journal; one lives for longer."""
TOLD_S: Final = 1.0
"""Until gateways that count together have told each other the last: several times as long as any
of them keeps anything to itself."""
QUIET_S: Final = 90.0
"""How long to wait for the last row: past every deadline of an attempt."""


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for. `rate` is calls a second; `every` calls there is a fault."""

    seed: int
    count: int
    rate: float
    at_once: int
    every: int
    port: int
    shared: bool = False
    """Two gateways count together in a Redis, which is killed, paused and emptied too."""
    disk: str = ""
    """Size of a disk in memory for the data directory, such as `16m`; empty: where it is."""


async def run(options: Options, folder: Path, *, say: Callable[[str], None]) -> Evidence:
    """The evidence of a run in this folder; every process has ended.

    Raises:
        WorldError: the run itself failed.
    """
    namespaces = TOGETHER if options.shared else (NAMESPACE,)
    world = World(folder, port=options.port, count=options.count, namespaces=namespaces)
    try:
        if options.disk:
            world.mount(options.disk)
        world.start()
        await _ready(world)
        callers = Callers(world.ports, world.tokens(), rate=options.rate, at_once=options.at_once)
        injector = Injector(world, progress=lambda: callers.begun, apart=options.every // 2)
        planned = faults(options.seed, options.count, every=options.every, shared=options.shared)
        say(f"{options.count} calls at {options.rate:g}/s, {len(planned)} faults …")
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(_keep(world))
            telling = group.create_task(_tell(callers, injector, say))
            work = [
                group.create_task(callers.run(calls(options.seed, options.count))),
                group.create_task(injector.run(planned, last=options.count)),
            ]
            await asyncio.wait(work)
            telling.cancel()
            say("Waiting for the last rows …")
            pending = await _quiet(world)
            if options.shared:
                await asyncio.sleep(TOLD_S)
            usage = [
                json.loads((await get(world.ports[0], "/v1/usage", token=token))[1])
                for token in world.tokens().values()
            ]
            world.keep_journal()
            keeping.cancel()
        rules = world.rules()
        await asyncio.to_thread(world.stop)
        return Evidence(
            seed=options.seed,
            seen=sorted(callers.seen, key=lambda seen: seen.call),
            attempts=[
                attempt
                for provider in world.providers.values()
                for attempt in attempts_of(provider.logged())
            ],
            rows=world.rows(),
            faults=injector.done,
            journal=world.journalled(),
            rules=rules,
            usage=usage,
            pending=pending,
            own_disk=world.own_disk,
            gateways=len(namespaces),
        )
    finally:
        await asyncio.to_thread(world.stop)
        world.unmount()


async def _ready(world: World) -> None:
    end = time.monotonic() + 60
    while not await world.ready():
        if time.monotonic() > end or (world.process and world.process.poll() is not None):
            raise WorldError(f"`bailiwick up` does not serve: see {world.folder / 'up.log'}")
        await asyncio.sleep(0.05)


async def _keep(world: World) -> None:
    while True:
        world.keep_journal()
        await asyncio.sleep(KEEP_S)


async def _tell(callers: Callers, injector: Injector, say: Callable[[str], None]) -> None:
    told = 0
    while True:
        await asyncio.sleep(0.5)
        for fault in injector.done[told:]:
            took = "" if fault.recovery_s is None else f", back after {fault.recovery_s:.2f} s"
            say(f"{callers.begun:>6} calls: {fault.kind} {fault.target}{took}")
        told = len(injector.done)


async def _quiet(world: World) -> int:
    """Attempts that still have no row when no more will come."""
    end = time.monotonic() + QUIET_S
    left = -1
    while time.monotonic() < end and left != 0:
        left = 0
        for port in world.metrics:
            _, text = await get(port, "/metrics")
            figures = dict(
                line.rsplit(" ", 1)
                for line in text.decode().splitlines()
                if not line.startswith("#")
            )
            waiting = float(figures.get("bailiwick_ledger_waiting_rows", 1))
            flying = int(float(figures.get("bailiwick_attempts_in_flight", -1)))
            left = -1 if left < 0 or flying < 0 or (not flying and waiting) else left + flying
        await asyncio.sleep(0.2)
    return left
