"""What a run found: lines for a terminal, and the README's section."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.machine import described

BOUNDS = {"added_p50_ms": 1.0, "added_p99_ms": 5.0, "most_mb": 250.0, "ready_after_s": 3.0}


def line(name: str, found: Mapping[str, float]) -> str:
    """One row of the terminal's table."""
    verdict = "ok" if found["ratio"] <= found["bound"] else "MISSED"
    return (
        f"{name:<24} {found['ratio']:6.2f}  ({found['ratio_min']:.2f}-{found['ratio_max']:.2f}, "
        f"bound {found['bound']:g}, {verdict})  plain {found['plain_us']:.1f} µs, envoy "
        f"{found['envoy_us']:.1f}, agent {found['agent_us']:.1f}; {found['per_second']:.0f}/s"
    )


def most(results: Mapping[str, Any]) -> float:
    """The most memory that any sample showed, in MB."""
    samples: Sequence[Mapping[str, float]] = [*results["requests"], *results["streams"]]
    return max(one["envoy"] + one["agent"] for one in samples)


def growth(samples: Sequence[Mapping[str, float]]) -> float:
    """MB from the third sample, when caches are full, to the last."""
    total = [one["envoy"] + one["agent"] for one in samples]
    return total[-1] - total[2]


def against(value: float, bound: float, goal: float | None = None) -> str:
    """How a figure stands to its bound."""
    if goal is not None and goal < bound and value <= goal:
        return f"goal of {goal:g} met"
    if value <= bound:
        return f"bound of {bound:g} met"
    return f"**missed** by {value / bound - 1:.0%} (bound {bound:g})"


def section(of: Mapping[str, Any]) -> str:
    """The README's section between its marks."""
    results, machine = of["results"], of["machine"]
    latency = results["latency"]
    rows = [
        f"| {name} | {one['ratio']:.1f} | {against(one['ratio'], one['bound'], one['goal'])} | "
        f"{one['plain_us']:.0f} | {one['envoy_us']:.0f} | {one['agent_us']:.0f} |"
        for name, one in results["cost"].items()
    ]
    facts = [
        ("added latency, median (ms)", latency["added_p50_ms"], BOUNDS["added_p50_ms"]),
        ("added latency, 99th percentile (ms)", latency["added_p99_ms"], BOUNDS["added_p99_ms"]),
        ("most memory, Envoy and agent (MB)", most(results), BOUNDS["most_mb"]),
        ("start to ready (s)", results["ready_after_s"], BOUNDS["ready_after_s"]),
    ]
    intro = (
        "Processor time of Envoy and agent for a request that is authenticated, held against its "
        "limits, journalled and entered into the ledger, in multiples of the same request through "
        "plain Envoy (medians of alternating rounds; µs are processor time):"
    )
    notes = (
        f"Latency is at half of the top rate ({latency['rate_per_second']:.0f} requests/s). Over "
        f"{results['requests'][-1]['after']:,.0f} requests memory grew by "
        f"{growth(results['requests']):.1f} MB after the first fifth. {results['durability']}"
    )
    notes += (
        " What a call costs beyond plain proxying is an exchange with the agent over a socket, a "
        "script's run over body and answer, two records, and Python's time for admission, journal "
        "and ledger. That is the same work on every machine; where system calls are cheap, plain "
        "proxying is too, and the ratio is the higher. Of the memory 30 MB are Envoy's messages in "
        "the agent, and 80 kB belong to each open stream, 50 of which plain Envoy takes too."
    )
    if rival := results.get("rival"):
        notes += (
            f" LiteLLM {rival['version']} on the same 1 kB prompt, with one worker and neither "
            f"database nor limits: {rival['ratio']:.0f} times plain."
        )
    source = (
        f"Measured on {described(machine)}. `make bench` repeats it and writes "
        "[bench/results](bench/results)."
    )
    lines = [intro, ""]
    lines += ["| | times plain | | plain µs | Envoy µs | agent µs |", "|---|---|---|---|---|---|"]
    lines += [*rows, "", "| | | |", "|---|---|---|"]
    lines += [f"| {name} | {value:.2f} | {against(value, bound)} |" for name, value, bound in facts]
    lines += ["", notes, "", source, "", "![Cost and memory](bench/results/gateway.svg)"]
    return "\n".join(lines)
