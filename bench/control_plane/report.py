"""What a run found, as a table for a terminal and for the README."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.machine import described

ROWS: tuple[tuple[str, str, str, float | None], ...] = (
    ("accepted_p50_s", "apply → `Accepted`, median, {small:,} resources", "s", None),
    ("accepted_p99_s", "apply → `Accepted`, 99th percentile, {small:,} resources", "s", 1.0),
    ("accepted_full_p50_s", "apply → `Accepted`, median, {full:,} resources", "s", None),
    ("accepted_full_p99_s", "apply → `Accepted`, 99th percentile, {full:,} resources", "s", 2.0),
    ("traffic_p50_s", "apply → changed traffic, median, {full:,} resources", "s", 1.0),
    ("traffic_p99_s", "apply → changed traffic, 99th percentile, {full:,} resources", "s", 5.0),
    ("traffic_failed", "calls that failed during these changes", "", 0.0),
    ("first_start_s", "first start: every object and status of the new tenants made", "s", None),
    ("connect_s", "{agents:,} agents connect for the first time", "s", None),
    ("published_s", "start with {tenants:,} tenants: every config published", "s", 60.0),
    ("agents_back_s", "the same: all {agents:,} agents, at once, have their streams", "s", 60.0),
    ("in_order_s", "the same: every object and status looked at", "s", None),
    ("memory_alone_mb", "memory at rest, {full:,} resources, no agent yet", "MB", 300.0),
    ("memory_mb", "memory at rest, {full:,} resources, {agents:,} agents", "MB", 300.0),
    ("peak_mb", "most memory while it starts", "MB", None),
    ("idle_requests_per_minute", "idle: calls to the API server a minute", "", None),
    ("idle_cpu_percent", "idle: processor", "%", None),
    ("compile_typical_ms", "compile a tenant with 5 routes, 4 quotas", "ms", 5.0),
    ("compile_large_ms", "compile a tenant with 62 routes, 104 quotas", "ms", 5.0),
    ("compile_each_ms", "the same, with limits for each of everything", "ms", 5.0),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One figure that was measured; a `bound` of None: it is told, not judged."""

    words: str
    value: float
    unit: str
    bound: float | None

    @property
    def held(self) -> bool:
        """False where it is over its bound."""
        return self.bound is None or self.value <= self.bound

    @property
    def verdict(self) -> str:
        """How it stands to its bound."""
        if self.bound is None:
            return ""
        if self.held:
            return f"bound of {self.bound:g} met"
        over = f" by {self.value / self.bound - 1:.0%}" if self.bound else ""
        return f"**missed**{over} (bound {self.bound:g})"


def rows(figures: Mapping[str, float], size: Mapping[str, int]) -> Iterator[Row]:
    """Each figure that was measured, in order."""
    for name, words, unit, bound in ROWS:
        if (value := figures.get(name)) is not None:
            yield Row(words.format(**size), value, unit, bound)


def table(figures: Mapping[str, float], size: Mapping[str, int]) -> str:
    """For a terminal."""
    return "\n".join(
        f"{row.words.replace('`', ''):<64} {row.value:10.2f} {row.unit:<3} "
        f"{row.verdict.replace('**', '')}".rstrip()
        for row in rows(figures, size)
    )


def section(of: Mapping[str, Any]) -> str:
    """The README's section between its marks."""
    lines = ["| the operator, on a real kube-apiserver and etcd | | |", "|---|---|---|"]
    lines += [
        f"| {row.words}{f' ({row.unit})' if row.unit else ''} | {row.value:,.2f} | {row.verdict} |"
        for row in rows(of["figures"], of["size"])
    ]
    notes = (
        f"{of['samples']} changes each for `Accepted`, {of['changes']} for traffic: a route is "
        "applied that leads elsewhere, and calls go through a real Envoy and agent until one "
        "arrives there. API server, etcd, operator, agents and gateway share the machine. "
        "Compiling is processor time. Each connected agent takes some 90 kB of the operator's "
        "memory, most of it gRPC's and TLS's own."
    )
    source = (
        f"Measured on {described(of['machine'])}, Kubernetes {of['kubernetes']}. `make scale` "
        "repeats it and writes [bench/results](bench/results)."
    )
    return "\n".join([*lines, "", notes, "", source])
