"""The operator may die before any of its writes: the next one ends in the same state."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from cluster.control_plane import ControlPlane
from cluster.operator_kit import apply_all, ensure_namespace, operating, path_of, tenant, until_says
from cluster.test_the_world_stays_in_order import COLLECTIONS
from cluster.waiting import eventually

from bailiwick_operator.app import Operator
from bailiwick_operator.kube.http import HttpKube

VOLATILE = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields")


class Killed:
    """Lets so many writes through, then none: what a killed process would have written is not."""

    def __init__(self, writes: int) -> None:
        self.left = writes
        self.dead = asyncio.Event()

    @asynccontextmanager
    async def applied(self) -> AsyncIterator[None]:
        original = HttpKube._once

        async def once(kube: HttpKube, method: str, path: str, *rest: Any) -> Any:
            if method == "GET" or path.endswith("/tokenreviews") or "/leases" in path:
                # The lease is renewed beside the work; whoever dies with it comes back with it.
                return await original(kube, method, path, *rest)
            if self.left == 0:
                self.dead.set()
                await asyncio.Event().wait()
            self.left -= 1
            return await original(kube, method, path, *rest)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(HttpKube, "_once", once)
            yield


def plain(value: Any, namespace: str) -> Any:
    """The object without what differs from one making to the next."""
    if isinstance(value, dict):
        return {
            key: plain(item, namespace)
            for key, item in value.items()
            if key not in (*VOLATILE, "lastTransitionTime", "clusterIP", "clusterIPs")
            and not key.startswith("bailiwick.dev/")
            and key not in ("binaryData", "sequence", "digest", "tenantUID")
        }
    if isinstance(value, list):
        return [plain(item, namespace) for item in value]
    return value.replace(namespace, "NS") if isinstance(value, str) else value


def state(plane: ControlPlane, name: str) -> Any:
    """Everything in the namespace, and the tenant's status."""
    namespace = f"{name}-prod"
    found = {}
    for pattern in COLLECTIONS:
        for item in plane.request("GET", pattern.format(namespace))["items"]:
            if item["metadata"]["name"] != "kube-root-ca.crt":
                found[f"{pattern}/{item['metadata']['name']}"] = item
    found["tenant"] = plane.request("GET", path_of(tenant(name, namespace)[0])).get("status", {})
    return plain(plain(found, namespace), name)


async def settle(plane: ControlPlane, operator: Operator, name: str) -> Any:
    """The state once the operator has nothing left to do."""
    resources = tenant(name, f"{name}-prod")
    for resource in (resources[0], *resources[2:]):
        await until_says(plane, resource, "Programmed", "False", "NoReadyReplica")

    async def idle() -> bool:
        return operator.probe()["waiting"] == 0

    await eventually(idle)
    return await asyncio.to_thread(state, plane, name)


def test_every_write_may_be_the_last(control_plane: ControlPlane) -> None:
    """Killed before write 0, 1, 2, … the final state is that of a run that was never killed."""

    async def run() -> None:
        plane = control_plane
        ensure_namespace(plane, "whole-prod")
        apply_all(plane, tenant("whole", "whole-prod"))
        async with operating(plane) as operator:
            wanted = await settle(plane, operator, "whole")
        died = 0
        for writes in range(60):
            name = f"cut{writes:03}"
            ensure_namespace(plane, f"{name}-prod")
            killed = Killed(writes)
            async with killed.applied(), operating(plane) as operator:
                await asyncio.to_thread(apply_all, plane, tenant(name, f"{name}-prod"))

                async def over(killed: Killed = killed, name: str = name) -> bool:
                    if killed.dead.is_set():
                        return True
                    status = await asyncio.to_thread(state, plane, name)
                    return "Programmed" in str(status["tenant"])

                await eventually(over)
                finished = killed.left > 0
            async with operating(plane) as operator:
                assert await settle(plane, operator, name) == wanted
            await asyncio.to_thread(
                plane.request, "DELETE", path_of(tenant(name, f"{name}-prod")[0])
            )
            if finished:
                break
            died += 1
        assert died >= 12

    asyncio.run(run())
