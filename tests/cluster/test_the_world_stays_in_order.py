"""Doing it again changes nothing; what others break is repaired; the operator may be away."""

import asyncio
from typing import Any

from cluster.control_plane import ControlPlane
from cluster.operator_kit import (
    GROUP,
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

COLLECTIONS = (
    "/api/v1/namespaces/{}/configmaps",
    "/api/v1/namespaces/{}/services",
    "/api/v1/namespaces/{}/serviceaccounts",
    "/apis/apps/v1/namespaces/{}/deployments",
    "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    GROUP + "/namespaces/{}/tenantbindings",
    GROUP + "/namespaces/{}/modelroutes",
    GROUP + "/namespaces/{}/modelquotas",
)


def versions(plane: ControlPlane, namespace: str, cluster_scoped: list[Any]) -> dict[str, str]:
    """Resource version of everything there, by path."""
    found = {}
    for pattern in COLLECTIONS:
        path = pattern.format(namespace)
        for item in plane.request("GET", path)["items"]:
            found[f"{path}/{item['metadata']['name']}"] = item["metadata"]["resourceVersion"]
    for manifest in cluster_scoped:
        path = path_of(manifest)
        found[path] = plane.request("GET", path)["metadata"]["resourceVersion"]
    return found


def test_a_restart_and_a_second_apply_write_nothing(control_plane: ControlPlane) -> None:
    """A new operator, and the same resources applied again, change no object at all."""

    async def run() -> None:
        plane = control_plane
        ensure_namespace(plane, "idle-prod")
        resources = tenant("idle", "idle-prod")
        apply_all(plane, resources)
        agent = Agent(plane, "idle-prod", "gw").make()
        agent.ready()
        async with operating(plane) as operator, background(agent.serve(operator)):
            for resource in (resources[0], *resources[2:]):
                await until_says(plane, resource, "Programmed", "True", "Programmed")
        before = versions(plane, "idle-prod", [resources[0]])
        sequence = agent.received[-1].sequence

        async with operating(plane) as operator, background(agent.serve(operator)):
            await asyncio.to_thread(apply_all, plane, resources)

            async def served() -> bool:
                said = operator.probe()
                return said["reconciled"] >= 2 and said["waiting"] == 0 and said["streams"] == 1

            await eventually(served)

        after = versions(plane, "idle-prod", [resources[0]])
        changed = sorted(path for path in before | after if before.get(path) != after.get(path))
        assert changed == [], [plane.request("GET", path) for path in changed]
        assert agent.received[-1].sequence == sequence

    asyncio.run(run())


def test_deleted_and_edited_objects_are_repaired(control_plane: ControlPlane) -> None:
    """Whatever someone deletes or changes of the gateway's objects comes back as it was."""

    async def run() -> None:
        plane = control_plane
        ensure_namespace(plane, "broken-prod")
        resources = tenant("broken", "broken-prod")
        apply_all(plane, resources)
        deployment = "/apis/apps/v1/namespaces/broken-prod/deployments/bailiwick-gateway"
        policy = (
            "/apis/networking.k8s.io/v1/namespaces/broken-prod/networkpolicies/bailiwick-gateway"
        )
        config = "/api/v1/namespaces/broken-prod/configmaps/bailiwick-gateway-config"
        async with operating(plane):
            await until_says(plane, resources[2], "Accepted", "True", "Accepted")

            async def there() -> bool:
                items = await asyncio.to_thread(plane.request, "GET", deployment.rpartition("/")[0])
                return bool(items["items"])

            await eventually(there)
            wanted = {path: plane.request("GET", path) for path in (deployment, policy, config)}
            await asyncio.to_thread(plane.request, "DELETE", config)
            await asyncio.to_thread(
                plane.request,
                "PATCH",
                deployment,
                {"spec": {"replicas": 7, "template": {"spec": {"hostNetwork": True}}}},
                kind="merge",
            )
            await asyncio.to_thread(
                plane.request, "PATCH", policy, {"spec": {"egress": [{}]}}, kind="merge"
            )

            async def repaired() -> bool:
                for path, was in wanted.items():
                    parent, _, name = path.rpartition("/")
                    items = (await asyncio.to_thread(plane.request, "GET", parent))["items"]
                    now = next((one for one in items if one["metadata"]["name"] == name), None)
                    if now is None:
                        return False
                    if now.get("data") != was.get("data"):
                        return False
                    if path == deployment and now["spec"]["replicas"] != 1:
                        return False
                    if path == policy and now["spec"] != was["spec"]:
                        return False
                return True

            await eventually(repaired)

    asyncio.run(run())


def test_what_changed_while_the_operator_was_away_is_done(control_plane: ControlPlane) -> None:
    """Changes and deletions that nobody watched are found and carried out at the next start."""

    async def run() -> None:
        plane = control_plane
        ensure_namespace(plane, "away-prod")
        resources = tenant("away", "away-prod")
        apply_all(plane, resources)
        async with operating(plane):
            await until_says(plane, resources[2], "Accepted", "True", "Accepted")
        route = resources[2]
        apply_all(plane, [{**route, "spec": {**route["spec"], "aliases": ["later"]}}])
        plane.request("DELETE", path_of(resources[3]))
        agent = Agent(plane, "away-prod", "gw").make()
        async with operating(plane) as operator, background(agent.serve(operator)):

            async def told() -> bool:
                return bool(agent.received) and list(agent.config.routes[0].aliases) == ["later"]

            await eventually(told)
            limits = {limit.id for limit in agent.config.limits}
            assert not any(one.startswith("Quota/") for one in limits)

    asyncio.run(run())


def test_it_goes_on_after_the_api_server_restarted(control_plane: ControlPlane) -> None:
    """When the API server dies and comes back, the next change is carried out."""

    async def run() -> None:
        plane = control_plane
        ensure_namespace(plane, "restart-prod")
        resources = tenant("restart", "restart-prod")
        apply_all(plane, resources)
        async with operating(plane):
            await until_says(plane, resources[0], "Accepted", "True", "Accepted")
            await asyncio.to_thread(plane.kill_apiserver)
            await asyncio.to_thread(plane.start_apiserver)
            await asyncio.to_thread(plane.wait)
            changed = {**resources[0], "spec": {**resources[0]["spec"], "timeZone": "Asia/Tokyo"}}
            await asyncio.to_thread(apply_all, plane, [changed])
            await until_says(plane, resources[0], "Accepted", "True", "Accepted")

    asyncio.run(run())


def test_workloads_are_restricted_while_it_is_asked_for(control_plane: ControlPlane) -> None:
    """The policy comes with `workloadEgress: Restrict`, and goes with it."""

    async def run() -> None:
        plane = control_plane
        ensure_namespace(plane, "tight-prod")
        resources = tenant("tight", "tight-prod")
        resources[0]["spec"]["workloadEgress"] = "Restrict"
        apply_all(plane, resources)
        root = "/apis/networking.k8s.io/v1/namespaces/tight-prod/networkpolicies"

        async def policies() -> dict[str, Any]:
            items = (await asyncio.to_thread(plane.request, "GET", root))["items"]
            return {one["metadata"]["name"]: one["spec"] for one in items}

        async with operating(plane):

            async def there() -> bool:
                return "bailiwick-workloads" in await policies()

            await eventually(there)
            spec = (await policies())["bailiwick-workloads"]
            assert spec["policyTypes"] == ["Egress"]
            ports = [[port["port"] for port in rule["ports"]] for rule in spec["egress"]]
            assert ports == [[53, 53], [8080]]
            del resources[0]["spec"]["workloadEgress"]
            await asyncio.to_thread(apply_all, plane, resources)

            async def gone() -> bool:
                return set(await policies()) == {"bailiwick-gateway"}

            await eventually(gone)

    asyncio.run(run())
