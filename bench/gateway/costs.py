"""Processor time of a case through plain Envoy and through a gateway; added latency."""

import asyncio
import statistics

from gateway.cases import PATH, Case
from gateway.load import Round, drive, prepared
from gateway.processes import cpu

Side = tuple[int, list[int]]
"""A port, and the processes behind it."""


def one_round(case: Case, token: str, side: Side) -> tuple[list[float], Round]:
    """Processor seconds of each process per request (or event), and the round itself."""
    port, pids = side
    request = prepared(PATH, token, case.body)
    before = [cpu(pid) for pid in pids]
    done = asyncio.run(drive(port, request, count=case.count, connections=case.connections))
    if done.failures:
        raise SystemExit(f"{done.failures} requests failed: the figures would be wrong")
    units = len(done.seconds) * case.per
    return [(cpu(pid) - start) / units for pid, start in zip(pids, before, strict=True)], done


def measured(case: Case, token: str, sides: tuple[Side, Side], rounds: int) -> dict[str, float]:
    """Medians over alternating rounds, after one that does not count; times in microseconds."""
    found = []
    for index in range(rounds + 1):
        (base,), _ = one_round(case, token, sides[0])
        ours, done = one_round(case, token, sides[1])
        if index:
            found.append((base, ours[0], sum(ours[1:]), len(done.seconds) / done.wall))
    ratios = [(envoy + agent) / base for base, envoy, agent, _ in found]
    return {
        "ratio": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
        "bound": case.bound,
        "goal": case.goal,
        "plain_us": statistics.median(base for base, *_ in found) * 1e6,
        "envoy_us": statistics.median(envoy for _, envoy, _, _ in found) * 1e6,
        "agent_us": statistics.median(agent for _, _, agent, _ in found) * 1e6,
        "per_second": statistics.median(rate for *_, rate in found),
    }


def latency(case: Case, request: bytes, port: int, plain: int) -> dict[str, float]:
    """Added milliseconds at half of the top rate, from the moment a request was due.

    Medians over alternating rounds of each round's percentiles.
    """
    top = asyncio.run(drive(port, request, count=case.count, connections=case.connections))
    rate = len(top.seconds) / top.wall / 2
    added: list[tuple[float, float]] = []
    for _ in range(5):
        base, ours = (
            asyncio.run(drive(one, request, count=case.count, connections=64, rate=rate)).seconds
            for one in (plain, port)
        )
        added.append((_at(ours, 0.5) - _at(base, 0.5), _at(ours, 0.99) - _at(base, 0.99)))
    return {
        "rate_per_second": rate,
        "added_p50_ms": statistics.median(p50 for p50, _ in added),
        "added_p99_ms": statistics.median(p99 for _, p99 in added),
    }


def _at(values: list[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)] * 1e3
