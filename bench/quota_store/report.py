"""What a run found, as the README says it."""

from collections.abc import Mapping
from typing import Any

from gateway.machine import described
from gateway.report import against

COSTS = (
    "Processor time of the agent; plain Envoy proxying took {plain_us:.0f} µs a request in the "
    "same run (medians of alternating rounds). A user with limits of his own who calls a few "
    "times a second has no use for a share, and each of his calls is asked for."
)


def section(of: Mapping[str, Any]) -> str:
    """Both tables between their marks."""
    lines = [
        (
            "| reserve and settle in a shared store, eight limits, journal included | µs | | "
            "times plain proxying | calls per message |"
        ),
        "|---|---|---|---|---|",
    ]
    for one in of["costs"]:
        verdict = against(one["us"], one["bound"])
        lines.append(
            f"| {one['name']} | {one['us']:.0f} | {verdict} | {one['ratio']:.2f} | "
            f"{one['calls_per_message']:.0f} |"
        )
    lines += [
        "",
        COSTS.format(**of),
        "",
        "| four gateways, one limit | granted | refused | overshoot | false refusals |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {one['name']} | {one['granted']:,} | {one['refused']:,} | {one['overshoot']} | "
        f"{one['false_refusals']} |"
        for one in of["crowds"]
    ]
    lines += ["", f"Measured on {described(of['machine'])}; a part of `make bench`."]
    return "\n".join(lines)
