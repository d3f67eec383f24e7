"""Measures the operator on a real API server: `python -m control_plane` in `bench/`."""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cluster.control_plane import ControlPlane
from cluster.operator_kit import ensure_namespace, path_of
from control_plane.compiling import compile_times
from control_plane.process import BENCH, Crowd, OperatorProcess
from control_plane.report import table
from control_plane.world import EACH, Hands, requests_of, resources, write_pods

RESULTS = BENCH / "results" / "operator.json"
POLL_S = 0.005
SMALL = 100
"""Tenants of the first measurement."""


def say(text: str) -> None:
    """Progress, on standard error."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


class Bench:
    """One run; figures by name."""

    def __init__(self, plane: ControlPlane, folder: Path, arguments: argparse.Namespace) -> None:
        self.plane = plane
        self.operator = OperatorProcess(plane, folder)
        self.folder = folder
        self.said = arguments
        self.figures: dict[str, float] = {}

    async def run(self) -> None:
        """Small, grow, restart with a crowd, large, idle."""
        tenants = self.said.tenants
        async with Hands(self.plane) as hands:
            small = min(SMALL, tenants)
            say(f"{small} tenants, {small * EACH} resources …")
            await hands.tenants(range(small))
            self.operator.start()
            await self._quiet()
            await self._latency(hands, small, small * EACH)
            if tenants > small:
                say(f"{tenants} tenants, {tenants * EACH} resources, the operator away …")
                self.operator.kill()
                await hands.tenants(range(small, tenants))
                self.operator.start()
                self.figures["first_start_s"] = await asyncio.to_thread(
                    self.operator.said, "all in order", within=900
                )
            await self._reconnect(hands)
            await self._latency(hands, tenants, tenants * EACH)
            await self._idle()

    async def _reconnect(self, hands: Hands) -> None:
        tenants, agents = self.said.tenants, self.said.agents
        say(f"pods and tokens of {agents} agents …")
        each = max(1, agents // tenants)
        pods = await hands.pods(range(agents // each), each=each)
        listed = self.folder / "pods.json"
        write_pods(listed, pods)
        crowd = Crowd(self.plane, self.folder, listed, self.operator.port)
        crowd.start()
        try:
            since = time.time()
            self.figures["connect_s"] = (
                await asyncio.to_thread(crowd.connected, since=since) - since
            )
            await self._settled()
            say("the operator is killed and starts again …")
            self.operator.kill()
            since = time.time()
            self.operator.start()
            self.figures["publish_pass_s"] = await asyncio.to_thread(
                self.operator.said, "published what stands"
            )
            self.figures["published_s"] = time.time() - since
            self.figures["agents_back_s"] = (
                await asyncio.to_thread(crowd.connected, since=since) - since
            )
            await asyncio.to_thread(self.operator.said, "all in order")
            self.figures["in_order_s"] = time.time() - since
            await self._settled()
            self.figures["memory_mb"] = self.operator.memory_mb()
        finally:
            crowd.kill()
        await self._settled()

    async def _latency(self, hands: Hands, tenants: int, resources_there: int) -> None:
        say(f"apply → Accepted, {self.said.samples} times …")
        seconds = []
        for sample in range(self.said.samples):
            route = resources(sample * 7 % tenants)[1]
            spec = {**route["spec"], "aliases": [f"alias-{sample}"]}
            began = time.perf_counter()
            await hands.apply({**route, "spec": spec})
            await _until_accepted(hands, path_of(route))
            seconds.append(time.perf_counter() - began)
        self.figures[f"accepted_p50_s_{resources_there}"] = statistics.median(seconds)
        self.figures[f"accepted_p99_s_{resources_there}"] = _quantile(seconds, 0.99)
        await self._settled()

    async def _idle(self) -> None:
        say(f"{self.said.idle:.0f} s of nothing …")
        await self._settled()
        before, cpu = requests_of(self.plane), self.operator.cpu_s()
        await asyncio.sleep(self.said.idle)
        asked = requests_of(self.plane) - before
        self.figures["idle_cpu_percent"] = (self.operator.cpu_s() - cpu) / self.said.idle * 100
        self.operator.kill()
        before = requests_of(self.plane)
        await asyncio.sleep(self.said.idle)
        alone = requests_of(self.plane) - before
        self.figures["idle_requests_per_minute"] = max(0.0, asked - alone) * 60 / self.said.idle

    async def _quiet(self) -> None:
        await asyncio.to_thread(self.operator.said, "all in order")
        await self._settled()

    async def _settled(self) -> None:
        """Return when the operator has not used the processor for two seconds."""
        calm = 0
        last = self.operator.cpu_s()
        while calm < 2:
            await asyncio.sleep(1)
            now = self.operator.cpu_s()
            calm = calm + 1 if now - last < 0.05 else 0
            last = now


async def _until_accepted(hands: Hands, path: str) -> None:
    """Poll: what a user's `kubectl wait` sees by a watch comes a little sooner."""
    while not _accepted(await hands.call("GET", path)):  # noqa: ASYNC110 - it is in the API server
        await asyncio.sleep(POLL_S)


def _accepted(resource: dict[str, Any]) -> bool:
    generation = resource["metadata"]["generation"]
    return any(
        one["type"] == "Accepted" and one["observedGeneration"] == generation
        for one in resource.get("status", {}).get("conditions", [])
    )


def _quantile(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def main() -> int:
    """Measure, print, and write where asked to."""
    parser = argparse.ArgumentParser(prog="control_plane", description=__doc__)
    parser.add_argument("--tenants", type=int, default=1000)
    parser.add_argument("--agents", type=int, default=2000)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--idle", type=float, default=60.0, help="seconds")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    arguments = parser.parse_args()
    figures = compile_times()
    with tempfile.TemporaryDirectory(prefix="bailiwick-bench-") as folder:
        with ControlPlane(Path(folder)) as plane:
            plane.install_crds()
            ensure_namespace(plane, "bailiwick-system")
            bench = Bench(plane, Path(folder), arguments)
            try:
                asyncio.run(bench.run())
            finally:
                bench.operator.kill()
        figures |= bench.figures
    print(table(figures))
    if arguments.write:
        RESULTS.write_text(
            json.dumps(
                {"tenants": arguments.tenants, "agents": arguments.agents, "figures": figures},
                indent=2,
            )
            + "\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
