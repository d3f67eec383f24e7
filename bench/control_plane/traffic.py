"""From a route that is applied to a call that goes elsewhere, through a real Envoy and agent."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.gateway_process import ISSUER, Provider, Signer
from cluster.control_plane import ControlPlane
from cluster.operator_kit import tenant
from cluster.pod_kit import PodGateway
from control_plane.world import Hands

TENANT, NAMESPACE = "live", "live-prod"
PAUSE_S = 0.2
"""Between two changes, so that none is measured together with the one before."""
READY_S, LONGEST_S = 60.0, 60.0


@dataclass(frozen=True, slots=True)
class Changes:
    """What became of the changes: seconds of each, and calls that failed meanwhile."""

    seconds: list[float]
    failed: int


class Live:
    """One tenant with a gateway, whose route leads to one of two providers."""

    def __init__(self, hands: Hands, gateway: PodGateway, signer: Signer) -> None:
        self._hands = hands
        self._gateway = gateway
        self._signer = signer
        self._providers = (Provider(), Provider())
        self._failed = 0

    async def begin(self, operator: str) -> None:
        """Apply it, start its gateway, and return when a call is answered."""
        head = tenant(TENANT, NAMESPACE, issuer=ISSUER)[0]
        (caller,) = head["spec"]["callers"]["jwt"]
        caller["jwks"] = {"inline": json.dumps({"keys": [self._signer.jwk()]})}
        head["spec"]["limits"] = {"tokensPerMinute": 1_000_000_000}
        for manifest in (head, *map(self._provider, range(2)), self._route(0)):
            await self._hands.apply(manifest)
        self._gateway.begin(operator)
        await self._until_reached(0, within=READY_S)
        await asyncio.to_thread(self._gateway.pod.ready)

    async def changes(self, count: int) -> Changes:
        """Point the route to the other provider so many times; seconds from apply to answer."""
        seconds = []
        self._failed = 0
        for number in range(1, count + 1):
            await asyncio.sleep(PAUSE_S)
            began = time.perf_counter()
            await self._hands.apply(self._route(number % 2))
            await self._until_reached(number % 2, within=LONGEST_S)
            seconds.append(time.perf_counter() - began)
        return Changes(seconds, self._failed)

    def end(self) -> None:
        """Stop the gateway and the providers."""
        self._gateway.stop()
        for provider in self._providers:
            provider.close()

    async def _until_reached(self, number: int, *, within: float) -> None:
        """Call until this provider answers."""
        seen, deadline = len(self._providers[number].seen), time.monotonic() + within
        token = self._signer.token()
        while time.monotonic() < deadline:
            status, *_ = await asyncio.to_thread(self._gateway.chat, token)
            self._failed += status != 200
            if len(self._providers[number].seen) > seen:
                return
        raise TimeoutError(f"no call went to provider {number} within {within:.0f} s")

    def _provider(self, number: int) -> dict[str, Any]:
        made = tenant(TENANT, NAMESPACE)[1]
        made["metadata"]["name"] = f"live-{number}"
        made["spec"]["baseURL"] = f"http://127.0.0.1:{self._providers[number].port}/v1"
        return made

    def _route(self, number: int) -> dict[str, Any]:
        made = tenant(TENANT, NAMESPACE)[2]
        (backend,) = made["spec"]["backends"]
        backend["provider"]["name"] = f"live-{number}"
        return made


@contextlib.asynccontextmanager
async def living(
    hands: Hands, plane: ControlPlane, folder: Path, *, operator: str
) -> AsyncIterator[Live]:
    """The tenant with its gateway, whose agent finds the operator at this address."""
    await hands.call("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    gateway = await asyncio.to_thread(PodGateway, folder, plane, None, namespace=NAMESPACE)
    live = Live(hands, gateway, Signer())
    try:
        await live.begin(operator)
        yield live
    finally:
        await asyncio.to_thread(live.end)
