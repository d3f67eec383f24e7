"""Measures the gateway against plain Envoy proxying: `python -m gateway` in `bench/`.

Alternating rounds in one run; figures are medians of per-round ratios, because machines are
shared and noisy. Processor time is that of Envoy and agent together, as the kernel counts it.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gateway import rival
from gateway.cases import PATH, Case, cases, held
from gateway.costs import latency, measured
from gateway.endurance import Sample, over_requests, with_streams
from gateway.load import drive, prepared
from gateway.machine import described, machine
from gateway.plot import plotted
from gateway.processes import HERE, Gateway, plain_envoy, resident, upstream
from gateway.report import growth, line, most, section
from readme import into_readme

RESULTS = HERE.parent / "results"
DURABILITY = (
    "The journal is written before each attempt leaves and survives the end of every process, not "
    "of the node (`fsync` none)."
)
WARM = 20_000


def main() -> int:
    """Run every case and print the table; write JSON and plot where asked."""
    options = argparse.ArgumentParser()
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--scale", type=float, default=0.5)
    options.add_argument("--requests", type=int, default=100_000, help="of the memory run; 0: none")
    options.add_argument("--streams", type=int, default=1000, help="open at once in the memory run")
    options.add_argument("--no-rival", action="store_true", help="leave LiteLLM out")
    options.add_argument("--port", type=int, default=18480)
    options.add_argument("--write", action="store_true", help="results/ and the README")
    chosen = options.parse_args()
    if chosen.write and not chosen.requests:
        options.error("--write needs the memory run: leave --requests as it is")
    about = machine()
    print(described(about) + "\n", flush=True)
    with tempfile.TemporaryDirectory() as name, upstream() as target:
        results = run(chosen, Path(name), target)
    if chosen.write:
        RESULTS.mkdir(exist_ok=True)
        found = {"machine": about, "results": results}
        (RESULTS / "gateway.json").write_text(json.dumps(found, indent=2) + "\n")
        (RESULTS / "gateway.svg").write_text(plotted(results))
        into_readme("bench", section(found))
    return 0


def run(chosen: argparse.Namespace, folder: Path, target: int) -> dict[str, Any]:
    """Everything, in order."""
    resources = folder / "resources.yaml"
    text = (HERE / "resources.yaml").read_text()
    resources.write_text(text.replace("127.0.0.1:1/", f"127.0.0.1:{target}/"))
    results: dict[str, Any] = {"cost": {}, "durability": DURABILITY}
    plain_port = chosen.port + 2
    with plain_envoy(plain_port, target) as plain:
        gateway = Gateway(resources, folder / "data", port=chosen.port, metrics=chosen.port + 1)
        try:
            pids = [gateway.envoy, gateway.agent]
            results["ready_after_s"] = gateway.ready_after
            token = gateway.token()
            every = cases(chosen.scale)
            first = prepared(PATH, token, every[0].body)
            warm = asyncio.run(drive(chosen.port, first, count=WARM, connections=16))
            if warm.failures:
                raise SystemExit(f"{warm.failures} of the first requests failed")
            for case in every:
                sides = ((plain_port, [plain]), (chosen.port, pids))
                results["cost"][case.name] = measured(case, token, sides, chosen.rounds)
                print(line(case.name, results["cost"][case.name]), flush=True)
            results["latency"] = latency(every[0], first, chosen.port, plain_port)
            print(f"\n{spoken(results['latency'])}", flush=True)
            if chosen.requests:
                results |= endurance(chosen, token, sampler(*pids))
            if not chosen.no_rival:
                results |= compared(every[0], (plain_port, [plain]), target, chosen.port + 3)
        finally:
            gateway.stop()
    print(f"start to ready: {results['ready_after_s']:.2f} s")
    return results


def endurance(
    chosen: argparse.Namespace, token: str, measure: Callable[[float], Sample]
) -> dict[str, Any]:
    """Memory over requests and with streams."""
    request = prepared(PATH, token, cases(1)[0].body)
    over = over_requests(chosen.port, request, measure, count=chosen.requests)
    stream = prepared(PATH, token, held())
    opened = with_streams(chosen.port, stream, measure, count=chosen.streams, seconds=20)
    found = {
        "requests": [asdict(one) for one in over],
        "streams": [asdict(one) for one in asyncio.run(opened)],
    }
    print(
        f"memory: {most(found):.0f} MB at most; {growth(found['requests']):+.1f} MB over "
        f"{chosen.requests:,} requests, {found['streams'][5]['envoy']:.0f} MB Envoy and "
        f"{found['streams'][5]['agent']:.0f} MB agent with {chosen.streams:,} streams open",
        flush=True,
    )
    return found


def compared(case: Case, plain: tuple[int, list[int]], target: int, port: int) -> dict[str, Any]:
    """LiteLLM on the 1 kB prompt, where it can be had."""
    programs = rival.installed()
    if programs is None:
        print("LiteLLM: not measured, it could not be installed (is the package index away?)")
        return {}
    small = Case(case.name, case.body, 200, 8, case.bound, case.goal)
    with rival.litellm(programs, port, target) as pids:
        found = measured(small, rival.KEY, (plain, (port, pids)), 5)
    print(f"LiteLLM {rival.version()}, {case.name}: {found['ratio']:.0f}")
    return {"rival": {"version": rival.version(), "ratio": found["ratio"]}}


def sampler(envoy: int, agent: int) -> Callable[[float], Sample]:
    """Takes a sample of these two processes."""
    return lambda after: Sample(after, resident(envoy), resident(agent))


def spoken(found: dict[str, float]) -> str:
    """The latency's line."""
    return (
        f"added latency at {found['rate_per_second']:.0f}/s: "
        f"median {found['added_p50_ms']:.2f} ms, 99th percentile {found['added_p99_ms']:.2f} ms"
    )


if __name__ == "__main__":
    sys.exit(main())
