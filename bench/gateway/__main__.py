"""Measures the gateway against plain Envoy proxying: `python -m gateway` in `bench/`.

Alternating rounds in one run; figures are medians of per-round ratios, because machines are
shared and noisy. Processor time is that of Envoy and agent together, as the kernel counts it.
"""

import argparse
import asyncio
import json
import platform
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from gateway.load import Round, drive, prepared
from gateway.processes import HERE, Gateway, cpu, plain_envoy, resident, upstream
from gateway.upstream import EVENTS

PATH = "/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of request and how many make a round."""

    name: str
    body: bytes
    count: int
    connections: int
    per: int = 1


def cases(scale: float) -> list[Case]:
    """What is measured; `scale` shortens or lengthens every round."""

    def body(content: str, **more: object) -> bytes:
        message = {"model": "fast", "max_tokens": 256, **more}
        message["messages"] = [{"role": "user", "content": content}]
        return json.dumps(message, separators=(",", ":")).encode()

    text = "The quick brown fox jumps over the lazy dog. "
    nested = json.dumps({"rows": [{"name": 'a"b', "value": 1.5}] * 2200})
    return [
        Case("1 kB prompt", body(text * 20), int(3000 * scale), 16),
        Case("100 kB prompt", body(text * 2200), int(600 * scale), 8),
        Case("100 kB of JSON in JSON", body(nested), int(600 * scale), 8),
        Case("streamed event", body(text, stream=True), int(60 * scale), 4, EVENTS),
    ]


def measure(port: int, request: bytes, case: Case, pids: list[int]) -> tuple[list[float], Round]:
    """Processor seconds of each process per request (or event), and the round itself."""
    before = [cpu(pid) for pid in pids]
    done = asyncio.run(send(port, request, case))
    if done.failures:
        raise SystemExit(f"{done.failures} requests failed: the figures would be wrong")
    units = len(done.seconds) * case.per
    return [(cpu(pid) - start) / units for pid, start in zip(pids, before, strict=True)], done


def main() -> int:
    """Runs every case and prints the table; writes JSON where asked."""
    options = argparse.ArgumentParser()
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--scale", type=float, default=1.0)
    options.add_argument("--port", type=int, default=18480)
    options.add_argument("--json", type=Path)
    chosen = options.parse_args()
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name, upstream() as target:
        folder = Path(name)
        resources = folder / "resources.yaml"
        text = (HERE / "resources.yaml").read_text()
        resources.write_text(text.replace("127.0.0.1:1/", f"127.0.0.1:{target}/"))
        plain_port = chosen.port + 2
        with plain_envoy(plain_port, target) as plain:
            gateway = Gateway(resources, folder / "data", port=chosen.port, metrics=chosen.port + 1)
            try:
                token = gateway.token()
                for case in cases(chosen.scale):
                    request = prepared(PATH, token, case.body)
                    rounds = []
                    for index in range(chosen.rounds + 1):
                        base, _ = measure(plain_port, request, case, [plain])
                        both = [gateway.envoy, gateway.agent]
                        ours, done = measure(chosen.port, request, case, both)
                        if index:
                            rounds.append((base[0], *ours, len(done.seconds) / done.wall))
                    results[case.name] = summary(rounds)
                    print(line(case.name, results[case.name]), flush=True)
                results["latency"] = latency(chosen.port, plain_port, token, chosen.scale)
                print(json.dumps(results["latency"]))
                results["memory"] = {
                    "envoy_mb": resident(gateway.envoy), "agent_mb": resident(gateway.agent),
                    "ready_after_s": gateway.ready_after,
                }  # fmt: skip
                print(json.dumps(results["memory"]))
            finally:
                gateway.stop()
    if chosen.json:
        machine = {"machine": platform.machine(), "python": platform.python_version()}
        chosen.json.write_text(
            json.dumps({"machine": machine, "results": results}, indent=2) + "\n"
        )
    return 0


async def send(port: int, request: bytes, case: Case) -> Round:
    """One round of a case."""
    return await drive(port, request, count=case.count, connections=case.connections)


def summary(rounds: list[tuple[float, float, float, float]]) -> dict[str, float]:
    """Medians over the rounds; processor times in microseconds."""
    ratios = [(envoy + agent) / base for base, envoy, agent, _ in rounds]
    return {
        "ratio": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
        "plain_us": statistics.median(base for base, *_ in rounds) * 1e6,
        "envoy_us": statistics.median(envoy for _, envoy, _, _ in rounds) * 1e6,
        "agent_us": statistics.median(agent for _, _, agent, _ in rounds) * 1e6,
        "per_second": statistics.median(rate for *_, rate in rounds),
    }


def line(name: str, found: dict[str, float]) -> str:
    """One row of the table."""
    return (
        f"{name:<26} {found['ratio']:5.2f}  ({found['ratio_min']:.2f}-{found['ratio_max']:.2f})  "
        f"plain {found['plain_us']:7.1f} us  envoy {found['envoy_us']:7.1f} us  "
        f"agent {found['agent_us']:7.1f} us  {found['per_second']:8.0f}/s"
    )


def latency(port: int, plain: int, token: str, scale: float) -> dict[str, float]:
    """Added milliseconds at half of the top rate, from the moment a request was due."""
    case = cases(scale)[0]
    request = prepared(PATH, token, case.body)
    top = asyncio.run(send(port, request, case))
    rate = len(top.seconds) / top.wall / 2
    ours = asyncio.run(drive(port, request, count=case.count, connections=64, rate=rate)).seconds
    base = asyncio.run(drive(plain, request, count=case.count, connections=64, rate=rate)).seconds

    def at(values: list[float], share: float) -> float:
        return sorted(values)[int(len(values) * share)] * 1e3

    return {
        "rate_per_second": rate,
        "added_p50_ms": at(ours, 0.5) - at(base, 0.5),
        "added_p99_ms": at(ours, 0.99) - at(base, 0.99),
    }


if __name__ == "__main__":
    sys.exit(main())
