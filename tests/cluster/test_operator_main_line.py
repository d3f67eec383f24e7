"""A tenant's resources on a real API server become a gateway that is told its config."""

import asyncio

from cluster.control_plane import ControlPlane
from cluster.operator_kit import (
    Agent,
    apply_all,
    background,
    ensure_namespace,
    operating,
    path_of,
    tenant,
    until_says,
)
from cluster.waiting import eventually


def test_a_tenant_becomes_a_programmed_gateway(control_plane: ControlPlane) -> None:
    """Apply → objects in the namespace → config streamed → acknowledged → Programmed."""

    async def run() -> None:
        plane = control_plane
        ensure_namespace(plane, "main-prod")
        resources = tenant("main", "main-prod")
        async with operating(plane) as operator:
            await asyncio.to_thread(apply_all, plane, resources)
            the_tenant, _, route, quota = resources
            for resource in resources:
                await until_says(plane, resource, "Accepted", "True", "Accepted")
            await until_says(plane, route, "Programmed", "False", "NoReadyReplica")

            deployment = await asyncio.to_thread(
                plane.request,
                "GET",
                "/apis/apps/v1/namespaces/main-prod/deployments/bailiwick-gateway",
            )
            assert deployment["spec"]["template"]["spec"]["initContainers"][0]["name"] == "agent"

            agent = Agent(plane, "main-prod", "gateway-1").make()
            async with background(agent.serve(operator)):

                async def received() -> bool:
                    return bool(agent.received)

                await eventually(received)
                assert agent.config.namespace == "main-prod"
                assert [one.name for one in agent.config.routes] == ["fast"]

                await asyncio.to_thread(agent.ready)
                for resource in (the_tenant, route, quota):
                    await until_says(plane, resource, "Programmed", "True", "Programmed")

                changed = {**route, "spec": {**route["spec"], "aliases": ["quick"]}}
                await asyncio.to_thread(plane.apply, changed, path_of(route))

                async def alias_there() -> bool:
                    return list(agent.config.routes[0].aliases) == ["quick"]

                await eventually(alias_there)
                await until_says(plane, route, "Programmed", "True", "Programmed")

    asyncio.run(run())
