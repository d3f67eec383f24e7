"""A namespace has one tenant; it is claimed atomically, kept, and left in order."""

import asyncio
import urllib.error
from typing import Any

import grpc
import msgspec
import pytest
from cluster.control_plane import ControlPlane
from cluster.operator_kit import (
    GROUP,
    Agent,
    apply_all,
    background,
    ensure_namespace,
    operating,
    path_of,
    settings,
    tenant,
    until_says,
)
from cluster.waiting import eventually

from bailiwick_operator.children.model import Storage


def binding(plane: ControlPlane, namespace: str) -> Any:
    items = plane.request("GET", f"{GROUP}/namespaces/{namespace}/tenantbindings")["items"]
    return items[0] if items else None


def test_the_first_claim_stands(control_plane: ControlPlane) -> None:
    """Who holds a namespace keeps it; the other tenant says so, and gets it once it is free."""

    async def run() -> None:
        plane = control_plane
        ensure_namespace(plane, "contested")
        older, newer = tenant("older", "contested"), tenant("newer", "contested")[:1]
        apply_all(plane, older)
        async with operating(plane) as operator:
            await until_says(plane, older[0], "Accepted", "True", "Accepted")
            held = binding(plane, "contested")
            await asyncio.to_thread(apply_all, plane, newer)
            await until_says(plane, newer[0], "Accepted", "False", "NamespaceClaimed")
            assert binding(plane, "contested")["metadata"]["uid"] == held["metadata"]["uid"]
            assert held["spec"]["tenant"] == "older"

            await asyncio.to_thread(plane.request, "DELETE", path_of(older[0]))
            await until_says(plane, newer[0], "Accepted", "True", "Accepted")
            assert binding(plane, "contested")["spec"]["tenant"] == "newer"
            assert operator.probe()["failed"] == 0

    asyncio.run(run())


def owned(plane: ControlPlane, namespace: str) -> dict[str, tuple[str, str]]:
    """UID and owner's UID of what a gateway has there, its journal's claim among it."""
    found = {}
    for root, kind in (
        ("/apis/apps/v1", "deployments"),
        ("/api/v1", "serviceaccounts"),
        ("/api/v1", "persistentvolumeclaims"),
        ("/api/v1", "configmaps"),
    ):
        selector = "labelSelector=app.kubernetes.io/managed-by=bailiwick-operator"
        path = f"{root}/namespaces/{namespace}/{kind}?{selector}"
        for item in plane.request("GET", path)["items"]:
            metadata = item["metadata"]
            (owner,) = metadata["ownerReferences"]
            found[f"{kind}/{metadata['name']}"] = (metadata["uid"], owner["uid"])
    return found


def unprotected(plane: ControlPlane, namespace: str) -> None:
    """Let go of volume claims, as a cluster's controller does once no pod uses them."""
    root = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    for item in plane.request("GET", root)["items"]:
        path = f"{root}/{item['metadata']['name']}"
        plane.request("PATCH", path, {"metadata": {"finalizers": None}}, kind="merge")


def test_nothing_of_one_tenant_passes_to_the_next(control_plane: ControlPlane) -> None:
    """Account, pods and journal are made anew: no garbage collector has run in between."""

    async def run() -> None:
        plane = control_plane
        ensure_namespace(plane, "passed-on")
        before, after = tenant("first", "passed-on"), tenant("second", "passed-on")[:1]
        apply_all(plane, before)
        said = settings()
        gateway = msgspec.structs.replace(said.gateway, storage=Storage(size="1Gi"))
        said = msgspec.structs.replace(said, gateway=gateway)
        async with operating(plane, said) as operator:
            await until_says(plane, before[0], "Accepted", "True", "Accepted")

            async def complete() -> bool:
                kinds = {
                    name.split("/")[0]
                    for name in await asyncio.to_thread(owned, plane, "passed-on")
                }
                return len(kinds) == 4

            await eventually(complete)
            old = owned(plane, "passed-on")
            unprotected(plane, "passed-on")
            await asyncio.to_thread(plane.request, "DELETE", path_of(before[0]))
            await asyncio.to_thread(apply_all, plane, after)

            async def second() -> bool:
                held = await asyncio.to_thread(binding, plane, "passed-on")
                new = await asyncio.to_thread(owned, plane, "passed-on")
                return (
                    bool(held) and held["spec"]["tenant"] == "second" and new.keys() == old.keys()
                )

            await eventually(second)
            held, new = binding(plane, "passed-on"), owned(plane, "passed-on")
            assert {owner for _, owner in new.values()} == {held["metadata"]["uid"]}
            assert not {uid for uid, _ in new.values()} & {uid for uid, _ in old.values()}
            assert operator.probe()["failed"] == 0

    asyncio.run(run())


def test_ten_tenants_at_once_get_one_namespace_once(control_plane: ControlPlane) -> None:
    """Of ten tenants that were applied while the operator was down, the oldest one holds it."""

    async def run() -> None:
        plane = control_plane
        ensure_namespace(plane, "crowded")
        crowd = [tenant(f"crowd-{n}", "crowded")[0] for n in range(10)]
        for one in crowd:
            plane.request("POST", f"{GROUP}/tenants", one)
        created = {
            one["metadata"]["name"]: plane.request("GET", path_of(one))["metadata"] for one in crowd
        }
        oldest = min(created, key=lambda name: (created[name]["creationTimestamp"], name))
        async with operating(plane):
            for one in crowd:
                mine = one["metadata"]["name"] == oldest
                await until_says(
                    plane,
                    one,
                    "Accepted",
                    "True" if mine else "False",
                    "Accepted" if mine else "NamespaceClaimed",
                )
            assert binding(plane, "crowded")["spec"]["tenant"] == oldest
        for one in crowd:
            plane.request("DELETE", path_of(one))

    asyncio.run(run())


def test_kube_namespaces_are_refused(control_plane: ControlPlane) -> None:
    """The cluster's own namespaces belong to no tenant: the API server says so at once."""
    manifest = tenant("greedy", "kube-system")[0]

    with pytest.raises(urllib.error.HTTPError) as caught:
        control_plane.apply(manifest, path_of(manifest))

    assert caught.value.code == 422
    assert "kube-" in caught.value.read().decode()


def test_leaving_refuses_calls_first(control_plane: ControlPlane) -> None:
    """A namespace that its tenant drops is told to refuse every call before anything is deleted."""

    async def run() -> None:
        plane = control_plane
        ensure_namespace(plane, "leaving")
        ensure_namespace(plane, "staying")
        resources = tenant("mover", "leaving")
        apply_all(plane, resources)
        agent = Agent(plane, "leaving", "gw").make()
        agent.ready()
        async with (
            operating(plane) as operator,
            background(agent.serve(operator), ends=grpc.StatusCode.UNAVAILABLE),
        ):
            await until_says(plane, resources[0], "Programmed", "True", "Programmed")
            moved = {**resources[0]}
            moved["spec"] = {**moved["spec"], "namespaces": [{"name": "staying"}]}
            await asyncio.to_thread(apply_all, plane, [moved])

            async def refusing() -> bool:
                return bool(agent.config.deny_reason)

            await eventually(refusing, within=5)
            standing = binding(plane, "leaving")
            assert "bailiwick.dev/leaving-since" in standing["metadata"]["annotations"]

            root = "/api/v1/namespaces/leaving/pods/gw?gracePeriodSeconds=0"
            await asyncio.to_thread(plane.request, "DELETE", root)

            async def gone() -> bool:
                return await asyncio.to_thread(binding, plane, "leaving") is None

            await eventually(gone)

    asyncio.run(run())


def test_resources_outside_every_tenant_say_so(control_plane: ControlPlane) -> None:
    """A route in a namespace of nobody is not silently ignored."""

    async def run() -> None:
        plane = control_plane
        ensure_namespace(plane, "nobodys")
        route = tenant("nobody", "nobodys")[2]
        apply_all(plane, [route])
        async with operating(plane):
            await until_says(plane, route, "Accepted", "False", "UnclaimedNamespace")

    asyncio.run(run())
