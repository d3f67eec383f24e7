"""What a run found, as a table."""

from collections.abc import Mapping

ROWS: tuple[tuple[str, str, str, float | None], ...] = (
    ("accepted_p50_s_1000", "apply → Accepted, median, 1,000 resources", "s", None),
    ("accepted_p99_s_1000", "apply → Accepted, 99th percentile, 1,000 resources", "s", 1.0),
    ("accepted_p50_s_10000", "apply → Accepted, median, 10,000 resources", "s", None),
    ("accepted_p99_s_10000", "apply → Accepted, 99th percentile, 10,000 resources", "s", 2.0),
    ("first_start_s", "first start: every object of the tenants that are new made", "s", None),
    ("connect_s", "all agents connected for the first time", "s", None),
    ("published_s", "restart: every config published", "s", 60.0),
    ("agents_back_s", "restart: every agent has its stream", "s", 60.0),
    ("in_order_s", "restart: every object and status looked at", "s", None),
    ("memory_mb", "memory of the operator", "MB", 300.0),
    ("idle_requests_per_minute", "idle: calls of the API a minute, without watches", "", None),
    ("idle_cpu_percent", "idle: processor", "%", None),
    ("compile_small_ms", "compile: 1 route, 1 quota", "ms", 5.0),
    ("compile_large_ms", "compile: 62 routes, 104 quotas", "ms", 5.0),
    ("compile_each_ms", "compile: 62 routes, 104 quotas, limits for each of everything", "ms", 5.0),
)


def table(figures: Mapping[str, float]) -> str:
    """One line for each figure that was measured."""
    lines = []
    for name, words, unit, bound in ROWS:
        if (value := figures.get(name)) is None:
            continue
        verdict = ""
        if bound is not None:
            verdict = f"  bound {bound:g}: {'ok' if value <= bound else 'MISSED'}"
        lines.append(f"{words:<64} {value:10.2f} {unit:<3}{verdict}")
    return "\n".join(lines)
