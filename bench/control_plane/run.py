"""One run: small, grown, with a crowd of agents, restarted, at work, idle."""

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cluster.control_plane import ControlPlane
from control_plane.latency import accepted_seconds, quantile
from control_plane.process import Crowd, OperatorProcess
from control_plane.traffic import living
from control_plane.world import EACH, Hands, requests_of, write_pods

CALM_S = 2
"""Seconds without work after which the operator has nothing more to do."""
LONGEST_S = 900.0
"""Of any one step; on a quiet machine the longest takes a third of it."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is, and how often it is tried."""

    tenants: int
    small: int
    """Tenants of the first measurement."""
    agents: int
    samples: int
    changes: int
    idle_s: float


def say(text: str) -> None:
    """Progress, on standard error."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


@dataclass(slots=True)
class Run:
    """Measures in order; what was found is in `figures`, by name, as far as it came."""

    plane: ControlPlane
    folder: Path
    size: Size
    operator: OperatorProcess
    figures: dict[str, float] = field(default_factory=dict)
    _memory: list[float] = field(default_factory=list)

    async def all(self) -> None:
        """Raises TimeoutError or RuntimeError where something does not come to an end."""
        size = self.size
        async with Hands(self.plane) as hands:
            say(f"{size.small} tenants, {size.small * EACH:,} resources …")
            await hands.tenants(range(size.small))
            self.operator.start()
            await asyncio.to_thread(self.operator.said, "all in order", within=LONGEST_S)
            await self._settled()
            await self._accepted(hands, "accepted", tenants=size.small)
            await self._grow(hands)
            async with self._crowd(hands) as crowd:
                await self._restart(crowd)
                await self._accepted(hands, "accepted_full", tenants=size.tenants)
                await self._traffic(hands)
                await self._idle()
                self.figures["memory_mb"] = max(self._memory)

    async def _grow(self, hands: Hands) -> None:
        size = self.size
        say(f"{size.tenants:,} tenants, {size.tenants * EACH:,} resources, the operator away …")
        self.operator.kill()
        await hands.tenants(range(size.small, size.tenants))
        say("the operator makes all of their objects …")
        self.operator.start()
        self.figures["first_start_s"] = await asyncio.to_thread(
            self.operator.said, "all in order", within=LONGEST_S
        )
        await self._settled()
        self.figures["memory_alone_mb"] = self.operator.memory_mb()

    @asynccontextmanager
    async def _crowd(self, hands: Hands) -> AsyncIterator[Crowd]:
        """Agents with a stream each, as long as the block lasts."""
        size = self.size
        say(f"pods and tokens of {size.agents:,} agents …")
        each = max(1, size.agents // size.tenants)
        pods = await hands.pods(range(size.agents // each), each=each)
        listed = self.folder / "pods.json"
        write_pods(listed, pods)
        crowd = Crowd(self.plane, self.folder, listed, self.operator.port)
        say("they connect …")
        crowd.start()
        try:
            since = time.time()
            connected = await asyncio.to_thread(crowd.connected, since=since)
            self.figures["connect_s"] = connected - since
            await self._settled()
            yield crowd
        finally:
            crowd.kill()

    async def _restart(self, crowd: Crowd) -> None:
        say("the operator is killed and starts again …")
        self.operator.kill()
        since = time.time()
        self.operator.start()
        await asyncio.to_thread(self.operator.said, "published what stands")
        self.figures["published_s"] = time.time() - since
        back = await asyncio.to_thread(crowd.connected, since=since)
        self.figures["agents_back_s"] = back - since
        await asyncio.to_thread(self.operator.said, "all in order")
        self.figures["in_order_s"] = time.time() - since
        await self._settled()
        self.figures["peak_mb"] = self.operator.peak_mb()

    async def _accepted(self, hands: Hands, name: str, *, tenants: int) -> None:
        say(f"apply → Accepted, {self.size.samples} times …")
        seconds = await accepted_seconds(hands, tenants=tenants, samples=self.size.samples)
        self.figures[f"{name}_p50_s"] = statistics.median(seconds)
        self.figures[f"{name}_p99_s"] = quantile(seconds, 0.99)
        await self._settled()

    async def _traffic(self, hands: Hands) -> None:
        say(f"apply → changed traffic through a real gateway, {self.size.changes} times …")
        address = f"localhost:{self.operator.port}"
        async with living(hands, self.plane, self.folder / "live", operator=address) as live:
            found = await live.changes(self.size.changes)
        self.figures["traffic_p50_s"] = statistics.median(found.seconds)
        self.figures["traffic_p99_s"] = quantile(found.seconds, 0.99)
        self.figures["traffic_failed"] = found.failed
        await self._settled()

    async def _idle(self) -> None:
        seconds = self.size.idle_s
        say(f"{seconds:.0f} s of nothing, then as long without the operator …")
        before, cpu = requests_of(self.plane), self.operator.cpu_s()
        await asyncio.sleep(seconds)
        asked = requests_of(self.plane) - before
        self.figures["idle_cpu_percent"] = (self.operator.cpu_s() - cpu) / seconds * 100
        self._memory.append(self.operator.memory_mb())
        self.operator.kill()
        before = requests_of(self.plane)
        await asyncio.sleep(seconds)
        alone = requests_of(self.plane) - before
        self.figures["idle_requests_per_minute"] = max(0.0, asked - alone) * 60 / seconds

    async def _settled(self) -> None:
        """Return when the operator has had nothing to do for a while."""
        calm, last, deadline = 0, self.operator.cpu_s(), time.monotonic() + LONGEST_S
        while calm < CALM_S:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the operator has been busy for {LONGEST_S:.0f} s")
            await asyncio.sleep(1)
            now = self.operator.cpu_s()
            at_work = now - last > 0.05 or await asyncio.to_thread(self.operator.at_work)
            calm = 0 if at_work else calm + 1
            last = now
        self._memory.append(self.operator.memory_mb())
        say(f"  the operator is at rest with {self._memory[-1]:.0f} MB")
