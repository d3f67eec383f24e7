"""A gateway whose size is an autoscaler's: the operator leaves it to it, and takes it back."""

import asyncio
import urllib.error
from typing import Any

from cluster.control_plane import ControlPlane
from cluster.operator_kit import (
    apply_all,
    ensure_namespace,
    operating,
    tenant,
    until_says,
)
from cluster.waiting import eventually

DEPLOYMENT = "/apis/apps/v1/namespaces/scaled-prod/deployments/bailiwick-gateway"
AUTOSCALER = (
    "/apis/autoscaling/v2/namespaces/scaled-prod/horizontalpodautoscalers/bailiwick-gateway"
)


def sized(manifest: dict[str, Any], **more: object) -> dict[str, Any]:
    """The Tenant with this in its spec."""
    return {**manifest, "spec": {**manifest["spec"], **more}}


def test_size_is_left_to_the_autoscaler_and_taken_back(control_plane: ControlPlane) -> None:
    """Without a store it is refused; then there is one, what it sets stays, and it goes again."""

    async def run() -> None:
        plane = control_plane
        ensure_namespace(plane, "scaled-prod")
        platform, *rest = tenant("scaled", "scaled-prod")
        gateway = {"autoscaling": {"minReplicas": 2, "maxReplicas": 5}}
        store = {"address": "valkey.quota.svc:6379"}

        async def there() -> bool:
            try:
                await asyncio.to_thread(plane.request, "GET", AUTOSCALER)
            except urllib.error.HTTPError:
                return False
            return True

        async def gone() -> bool:
            return not await there()

        async def replicas() -> int:
            found = await asyncio.to_thread(plane.request, "GET", DEPLOYMENT)
            return int(found["spec"]["replicas"])

        async with operating(plane):
            await asyncio.to_thread(apply_all, plane, [sized(platform, gateway=gateway), *rest])
            await until_says(plane, platform, "Accepted", "False", "SharedStoreRequired")
            assert await gone()

            both = sized(platform, gateway=gateway, quotaStore=store)
            await asyncio.to_thread(apply_all, plane, [both])
            await until_says(plane, rest[1], "Programmed", "False", "NoReadyReplica")
            await eventually(there)
            said = await asyncio.to_thread(plane.request, "GET", AUTOSCALER)
            assert (said["spec"]["minReplicas"], said["spec"]["maxReplicas"]) == (2, 5)

            scale = {"spec": {"replicas": 4}}
            path = f"{DEPLOYMENT}/scale"
            await asyncio.to_thread(plane.request, "PATCH", path, scale, kind="merge")
            # Something else of the gateway changes: the operator applies it, and not the size.
            narrow = {**gateway, "autoscaling": {"minReplicas": 3, "maxReplicas": 5}}
            changed = sized(platform, gateway=narrow, quotaStore=store)
            await asyncio.to_thread(apply_all, plane, [changed])

            async def narrowed() -> bool:
                found = await asyncio.to_thread(plane.request, "GET", AUTOSCALER)
                return bool(found["spec"]["minReplicas"] == 3)

            await eventually(narrowed)
            assert await replicas() == 4

            fixed = sized(platform, gateway={"replicas": 2}, quotaStore=store)
            await asyncio.to_thread(apply_all, plane, [fixed])
            await eventually(gone)

            async def taken_back() -> bool:
                return await replicas() == 2

            await eventually(taken_back)

    asyncio.run(run())
