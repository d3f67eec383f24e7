"""From a change that is applied to its condition: apply → Accepted."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from cluster.operator_kit import path_of
from control_plane.world import Hands, resources

POLL_S = 0.005


async def accepted_seconds(hands: Hands, *, tenants: int, samples: int) -> list[float]:
    """Change a route of another tenant each time; how long until its new generation is accepted."""
    seconds = []
    for sample in range(samples):
        route = resources(sample * 7 % tenants)[1]
        spec = {**route["spec"], "aliases": [f"alias-{sample}-{tenants}"]}
        began = time.perf_counter()
        await hands.apply({**route, "spec": spec})
        await _until_accepted(hands, path_of(route))
        seconds.append(time.perf_counter() - began)
    return seconds


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


def quantile(values: Sequence[float], part: float) -> float:
    """The value that this part of all does not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]
