"""The shared store: what a call costs, and what four gateways together admit.

`cd bench && python -m quota_store`. A Redis is started for the run, and a plain Envoy, whose cost
of a request is what costs are compared with.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gateway.cases import Case, cases
from gateway.machine import described, machine
from gateway.processes import HERE, plain_envoy, upstream
from quota_store.costs import LOADS, Load, per_call, proxied
from quota_store.crowds import Crowd, crowded
from quota_store.report import section
from readme import into_readme
from shared_store.redis_server import RedisServer

RESULTS = HERE.parent / "results" / "quota_store.json"


def cost(
    load: Load, case: Case, plain: tuple[int, int], *, calls: int, rounds: int
) -> dict[str, Any]:
    """Medians over alternating rounds; the ratio is that of each round."""
    found = []
    for _ in range(rounds):
        base = proxied(case, *plain)
        with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder)).running() as server:
            found.append((base, asyncio.run(per_call(server.port, load, calls=calls))))
    middle = {
        name: statistics.median(getattr(one, name) for _, one in found)
        for name in ("us", "calls_per_message", "p50_ms", "p99_ms")
    }
    ratio = statistics.median(one.us / base for base, one in found)
    plain_us = statistics.median(base for base, _ in found)
    return {"name": load.name, "bound": load.bound, "ratio": ratio, "plain_us": plain_us, **middle}


def main() -> int:
    """Print both tables; write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--callers", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=int, default=18680)
    parser.add_argument("--write", action="store_true", help="results/ and the README")
    options = parser.parse_args()
    about = machine()
    print(described(about), flush=True)
    found: dict[str, Any] = {"machine": about, "costs": [], "crowds": []}
    small = cases(0.5)[0]
    with upstream() as target, plain_envoy(options.port, target) as pid:
        for load in LOADS:
            plain = (options.port, pid)
            one = cost(load, small, plain, calls=options.calls, rounds=options.rounds)
            found["costs"].append(one)
            print(
                f"{one['name']:<24}{one['us']:>7.1f} µs ({one['ratio']:.2f} times plain proxying)"
                f"{one['calls_per_message']:>8.1f} calls/message, waited {one['p50_ms']:.3f} ms p50"
                f" {one['p99_ms']:.2f} ms p99",
                flush=True,
            )
    found["plain_us"] = statistics.median(one["plain_us"] for one in found["costs"])
    quarter = max(1, options.callers // 4)
    for crowd in (
        Crowd(options.callers, 123_457, 0.0),
        Crowd(quarter, 123_457, 2.0),
        Crowd(quarter, 30_011, 2.0),
    ):
        with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder)).running() as server:
            out = crowded(server.port, crowd, seconds=options.seconds, seed=options.seed)
        found["crowds"].append({"name": crowd.name, **asdict(out)})
        print(
            f"4 gateways, {crowd.name}: {out.granted} granted, {out.refused} refused, at most "
            f"{out.most:,} of {crowd.cap:,} in use, overshoot {out.overshoot}, "
            f"false refusals {out.false_refusals}",
            flush=True,
        )
    if options.write:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(found, indent=2) + "\n")
        into_readme("bench store", section(found))
    exact = all(not one["overshoot"] and not one["false_refusals"] for one in found["crowds"])
    return 0 if exact else 1


if __name__ == "__main__":
    sys.exit(main())
