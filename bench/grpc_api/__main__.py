"""Measures what gRPC costs beside the same call by HTTP: `python -m grpc_api` in `bench/`.

Alternating rounds of plain proxying, HTTP and gRPC in one run; figures are medians of per-round
figures. Processor time is that of Envoy and agent together.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from gateway.load import Round, drive, prepared
from gateway.processes import HERE, Gateway, cpu, plain_envoy, upstream
from gateway.upstream import EVENTS
from grpc_api.load import calls
from readme import into_readme

from bailiwick.llm.v1 import llm_pb2 as pb

PATH = "/v1/chat/completions"
TEXT = "The quick brown fox jumps over the lazy dog. " * 20
UNARY_BOUND, CHUNK_BOUND, P50_BOUND_MS = 8.0, 4.0, 2.0
UNARY, CHUNK, ALONE = "unary call", "streamed chunk", "unary, one at a time"
RESULTS = HERE.parent / "results" / "grpc.json"


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of call; `per` is in how many units its cost is divided."""

    name: str
    stream: bool
    count: int
    together: int
    per: int

    def body(self) -> bytes:
        """The call as HTTP has it."""
        said = {"model": "fast", "max_tokens": 256, "stream": self.stream}
        message = {"role": "user", "content": TEXT}
        return json.dumps({**said, "messages": [message]}, separators=(",", ":")).encode()


REQUEST = pb.ChatRequest(
    model="fast", max_tokens=256, messages=[pb.ChatMessage(role=pb.ROLE_USER, content=TEXT)]
)


class Bench:
    """One run: a plain proxy and a gateway before the same provider."""

    def __init__(self, gateway: Gateway, plain: int, *, plain_port: int) -> None:
        self.gateway, self.plain, self.plain_port = gateway, plain, plain_port
        self.token = gateway.token()

    def http(self, case: Case, port: int) -> Round:
        """A round by HTTP/1.1."""
        request = prepared(PATH, self.token, case.body())
        return asyncio.run(drive(port, request, count=case.count, connections=case.together))

    def grpc(self, case: Case) -> Round:
        """A round by gRPC."""
        return asyncio.run(
            calls(
                self.gateway.port,
                self.token,
                REQUEST,
                count=case.count,
                together=case.together,
                stream=case.stream,
            )
        )

    def round(self, case: Case) -> dict[str, tuple[float, float, float]]:
        """Envoy's and the agent's processor seconds per unit and the median time, by way."""
        mine = (self.gateway.envoy, self.gateway.agent)
        ways = {
            "plain": (lambda: self.http(case, self.plain_port), (self.plain,)),
            "http": (lambda: self.http(case, self.gateway.port), mine),
            "grpc": (lambda: self.grpc(case), mine),
        }
        found = {}
        for name, (run, pids) in ways.items():
            before = [cpu(pid) for pid in pids]
            done = run()
            if done.failures:
                raise SystemExit(f"{name}: {done.failures} calls failed: figures would be wrong")
            spent = [
                (cpu(pid) - start) / (len(done.seconds) * case.per)
                for pid, start in zip(pids, before, strict=True)
            ]
            found[name] = (spent[0], sum(spent[1:]), statistics.median(done.seconds))
        return found


def summary(rounds: list[dict[str, tuple[float, float, float]]]) -> dict[str, float]:
    """Medians over rounds; microseconds of processor time, milliseconds of waiting."""

    def middle(way: str, index: int) -> float:
        return statistics.median(one[way][index] for one in rounds)

    def total(one: dict[str, tuple[float, float, float]], way: str) -> float:
        return one[way][0] + one[way][1]

    return {
        "added_ratio": statistics.median(
            (total(one, "grpc") - total(one, "http")) / one["plain"][0] for one in rounds
        ),
        "added_p50_ms": statistics.median(
            (one["grpc"][2] - one["http"][2]) * 1e3 for one in rounds
        ),
        **{
            f"{way}_{part}_us": middle(way, index) * 1e6
            for way in ("plain", "http", "grpc")
            for index, part in enumerate(("envoy", "agent"))
        },
        "http_p50_ms": middle("http", 2) * 1e3,
        "grpc_p50_ms": middle("grpc", 2) * 1e3,
    }


def figures(results: dict[str, dict[str, float]]) -> list[tuple[str, float, float]]:
    """What is held to a bound: its name, what was found, the bound."""
    return [
        ("processor time of a call, in plain calls", results[UNARY]["added_ratio"], UNARY_BOUND),
        ("processor time of a chunk, in plain chunks", results[CHUNK]["added_ratio"], CHUNK_BOUND),
        ("median latency of a call alone (ms)", results[ALONE]["added_p50_ms"], P50_BOUND_MS),
    ]


def section(results: dict[str, dict[str, float]]) -> str:
    """The README's table."""
    lines = ["| by gRPC, added to the same by HTTP | | |", "|---|---|---|"]
    for name, value, bound in figures(results):
        verdict = f"bound of {bound:g} met" if value <= bound else f"**missed** (bound {bound:g})"
        lines.append(f"| {name} | {value:.2f} | {verdict} |")
    lines += ["", "`make bench` measures these too, on the same machine."]
    return "\n".join(lines)


def main() -> int:
    """Print the figures; 1 where a bound does not hold."""
    options = argparse.ArgumentParser()
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--scale", type=float, default=1.0)
    options.add_argument("--port", type=int, default=18580)
    options.add_argument("--write", action="store_true", help="results/ and the README")
    chosen = options.parse_args()
    scale = chosen.scale
    cases = [
        Case(UNARY, stream=False, count=int(2000 * scale), together=16, per=1),
        Case(CHUNK, stream=True, count=int(60 * scale), together=4, per=EVENTS),
        Case(ALONE, stream=False, count=int(500 * scale), together=1, per=1),
    ]
    results = {}
    with tempfile.TemporaryDirectory() as name, upstream() as target:
        folder = Path(name)
        resources = folder / "resources.yaml"
        text = (HERE / "resources.yaml").read_text()
        resources.write_text(text.replace("127.0.0.1:1/", f"127.0.0.1:{target}/"))
        with plain_envoy(chosen.port + 2, target) as plain:
            gateway = Gateway(resources, folder / "data", port=chosen.port, metrics=chosen.port + 1)
            try:
                bench = Bench(gateway, plain, plain_port=chosen.port + 2)
                for case in cases:
                    rounds = [bench.round(case) for _ in range(chosen.rounds + 1)][1:]
                    results[case.name] = found = summary(rounds)
                    print(f"{case.name}: " + ", ".join(f"{k} {v:.2f}" for k, v in found.items()))
            finally:
                gateway.stop()
    if chosen.write:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")
        into_readme("bench grpc", section(results))
    held = all(value <= bound for _, value, bound in figures(results))
    print("all bounds hold" if held else "a bound does not hold")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
