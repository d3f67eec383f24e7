"""One run: a world, its callers, its faults, and the evidence that they leave."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.faults.caller import Callers
from bench.faults.evidence import Evidence, Fault, attempts_of
from bench.faults.http import get
from bench.faults.injector import Injector
from bench.faults.plan import calls
from bench.faults.processes import WorldError
from bench.faults.schedule import Scale, faults
from bench.faults.world import World

KEEP_S: Final = 0.02
"""Seconds between looks for new segments of the journal; one lives for longer."""
TELL_S: Final = 10.0
"""Seconds between two lines that say how far it is."""
POLL_S: Final = 0.2
FLYING: Final = "bailiwick_attempts_in_flight "
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
    scale: Scale = Scale.ALONE
    disk: str = ""
    """Size of a disk in memory for the data directory, such as `16m`; empty: where it is."""


async def run(
    options: Options,
    folder: Path,
    *,
    say: Callable[[str], None],
    before_end: Callable[[World], None] = lambda _: None,
) -> Evidence:
    """The evidence of a run in this folder; every process has ended.

    `before_end` is called when the evidence is complete and the ledger is still there.

    Raises:
        WorldError: the run itself failed.
    """
    world = World(folder, port=options.port, count=options.count, scale=options.scale)
    try:
        if options.disk:
            world.mount(options.disk)
        if world.central is not None:
            say("Starting an API server, PostgreSQL and the collector …")
            await world.central.start()
        world.start()
        await _ready(world)
        evidence = await _done(options, world, say=say)
        await asyncio.to_thread(before_end, world)
    except ExceptionGroup as group:
        # What failed first had the rest cancelled.
        raise group.exceptions[0] from group
    else:
        return evidence
    finally:
        await asyncio.to_thread(world.stop)
        if world.central is not None:
            await world.central.stop()
        world.unmount()


async def _done(options: Options, world: World, *, say: Callable[[str], None]) -> Evidence:
    callers = Callers(world.ports, world.tokens(), rate=options.rate, at_once=options.at_once)
    done: list[Fault] = []
    planned = faults(options.seed, options.count, every=options.every, scale=options.scale)
    say(
        f"{options.count} calls at {options.rate:g}/s, at most {sum(map(len, planned))} faults"
        f" of processes: {options.count / options.rate / 60:.0f} minutes and what the faults take …"
    )

    def progress() -> int:
        return callers.begun

    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(_keep(world))
        telling = group.create_task(_tell(callers, done, options.count, say))
        work = [group.create_task(callers.run(calls(options.seed, options.count)))]
        for some in planned:
            injector = Injector(world, progress=progress, apart=options.every // 3, done=done)
            work.append(group.create_task(injector.run(some, last=options.count)))
        await asyncio.wait(work)
        telling.cancel()
        say("Waiting for the last rows …")
        pending = await _quiet(world)
        if options.scale is not Scale.ALONE:
            await asyncio.sleep(TOLD_S)
        usage = [
            json.loads((await get(world.ports[0], "/v1/usage", token=token))[1])
            for token in world.tokens().values()
        ]
        world.keep_journal()
        keeping.cancel()
    rules = world.rules()
    central = world.central
    rows = await asyncio.to_thread(world.rows)
    summed = await asyncio.to_thread(world.summed)
    again = await asyncio.to_thread(central.duplicates) if central else None
    strangers = await asyncio.to_thread(central.count) - len(rows) if central else 0
    return Evidence(
        seed=options.seed,
        seen=sorted(callers.seen, key=lambda seen: seen.call),
        attempts=[
            attempt
            for provider in world.providers.values()
            for attempt in attempts_of(provider.logged())
        ],
        rows=rows,
        faults=sorted(done, key=lambda fault: fault.began),
        journal=world.journalled(),
        rules=rules,
        usage=usage,
        pending=pending,
        own_disk=world.own_disk,
        namespaces=world.namespaces,
        delivered_again=again,
        strangers=strangers,
        summed=summed,
    )


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


async def _tell(
    callers: Callers, done: list[Fault], count: int, say: Callable[[str], None]
) -> None:
    while True:
        await asyncio.sleep(TELL_S)
        last = f"; the last: {done[-1].kind} {done[-1].target}".rstrip() if done else ""
        say(f"{callers.begun:,} of {count:,} calls, {len(done)} faults of processes{last}")


async def _quiet(world: World) -> int:
    """Attempts that still have no row when no more will come."""
    end = time.monotonic() + QUIET_S
    while (flying := await _flying(world)) != 0 and time.monotonic() < end:  # noqa: ASYNC110 - asked, nobody tells
        await asyncio.sleep(POLL_S)
    world.keep_journal()
    intended = len(await asyncio.to_thread(world.journalled))
    while (missing := intended - await asyncio.to_thread(world.count)) > 0:
        if time.monotonic() > end:
            break
        await asyncio.sleep(POLL_S)
    return max(flying, missing)


async def _flying(world: World) -> int:
    """Attempts under way at all gateways; -1 where one does not say."""
    found = 0
    for port in world.metrics:
        _, text = await get(port, "/metrics")
        said = [line for line in text.decode().splitlines() if line.startswith(FLYING)]
        if not said:
            return -1
        found += int(float(said[0].rpartition(" ")[2]))
    return found
