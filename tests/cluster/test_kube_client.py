"""The Kubernetes client does what its protocol says, on a real API server."""

import asyncio
from typing import Any

import pytest
from cluster.control_plane import EDITOR, ControlPlane
from cluster.waiting import eventually

from bailiwick_operator.kube import kinds
from bailiwick_operator.kube.http import HttpKube
from bailiwick_operator.kube.model import (
    FIELD_MANAGER,
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    UnavailableError,
)
from bailiwick_operator.secret import Secret


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default"},
        "data": data,
    }


def test_apply_owns_exactly_its_fields(control_plane: ControlPlane) -> None:
    """Applying sets fields, takes them from others, drops those left out, and repeats for free."""

    async def run() -> None:
        async with HttpKube(control_plane.connection()) as kube:
            first = await kube.apply(kinds.CONFIG_MAP, config_map("owned", a="1", b="2"))
            again = await kube.apply(kinds.CONFIG_MAP, config_map("owned", a="1", b="2"))
            assert first["metadata"]["resourceVersion"] == again["metadata"]["resourceVersion"]

            control_plane.apply(
                config_map("owned", a="theirs", c="3"),
                "/api/v1/namespaces/default/configmaps/owned",
            )
            after = await kube.apply(kinds.CONFIG_MAP, config_map("owned", a="1"))
            assert after["data"] == {"a": "1", "c": "3"}
            managers = {one["manager"] for one in after["metadata"]["managedFields"]}
            assert managers == {FIELD_MANAGER, "test"}

    asyncio.run(run())


def test_create_is_atomic(control_plane: ControlPlane) -> None:
    """Of ten creations of one name at once exactly one succeeds."""

    async def run() -> None:
        async with HttpKube(control_plane.connection()) as kube:
            made = await asyncio.gather(
                *(kube.create(kinds.CONFIG_MAP, config_map("once", by=str(n))) for n in range(10)),
                return_exceptions=True,
            )
            assert sum(isinstance(one, AlreadyExistsError) for one in made) == 9
            assert sum(isinstance(one, dict) for one in made) == 1

    asyncio.run(run())


def test_delete_spares_another_uid(control_plane: ControlPlane) -> None:
    """An object that was replaced meanwhile is not deleted; one that is gone is no error."""

    async def run() -> None:
        async with HttpKube(control_plane.connection()) as kube:
            where = {"namespace": "default", "name": "spared"}
            made = await kube.apply(kinds.CONFIG_MAP, config_map("spared"))
            assert not await kube.delete(kinds.CONFIG_MAP, **where, uid="another")
            assert await kube.get(kinds.CONFIG_MAP, **where) is not None
            assert await kube.delete(kinds.CONFIG_MAP, **where, uid=made["metadata"]["uid"])
            assert await kube.get(kinds.CONFIG_MAP, **where) is None
            assert not await kube.delete(kinds.CONFIG_MAP, **where)

    asyncio.run(run())


def test_list_reads_every_page(control_plane: ControlPlane, monkeypatch: Any) -> None:
    """A list that does not fit into one page is read to its end; an unknown kind has nothing."""
    monkeypatch.setattr("bailiwick_operator.kube.http.PAGE", 2)

    async def run() -> None:
        async with HttpKube(control_plane.connection()) as kube:
            for n in range(5):
                manifest = config_map(f"paged-{n}")
                manifest["metadata"]["labels"] = {"paged": "yes"}
                await kube.apply(kinds.CONFIG_MAP, manifest)
            found = await kube.list(kinds.CONFIG_MAP, namespace="default", labels="paged=yes")
            assert {one["metadata"]["name"] for one in found} == {f"paged-{n}" for n in range(5)}
            unknown = kinds.Kind("nothing.example", "v1", "Nothing", "nothings")
            assert await kube.list(unknown) == []

    asyncio.run(run())


def test_errors_are_ours(control_plane: ControlPlane) -> None:
    """Each kind of refusal has its own exception, with the API server's words."""

    async def run() -> None:
        async with HttpKube(control_plane.connection(EDITOR)) as kube:
            with pytest.raises(ForbiddenError, match="tenant-editor"):
                await kube.list(kinds.SECRET)
        async with HttpKube(control_plane.connection()) as kube:
            with pytest.raises(InvalidError, match="Invalid value"):
                await kube.create(kinds.CONFIG_MAP, config_map("Not_A_Name"))
            made = await kube.apply(kinds.CONFIG_MAP, config_map("other-uid"))
            made = config_map("other-uid", a="1")
            made["metadata"]["uid"] = "another"
            with pytest.raises(ConflictError):
                await kube.apply(kinds.CONFIG_MAP, made)
        closed = HttpKube(control_plane.connection())
        with pytest.raises(UnavailableError):
            await closed.list(kinds.POD)

    asyncio.run(run())


def test_token_review_names_the_pod(control_plane: ControlPlane) -> None:
    """A token bound to a pod is reviewed with that pod, for its audience only, while it lives."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "caller", "namespace": "default"},
        "spec": {"serviceAccountName": "caller", "containers": [{"name": "c", "image": "none"}]},
    }
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "caller"}}
    control_plane.request("POST", "/api/v1/namespaces/default/serviceaccounts", account)
    made = control_plane.request("POST", "/api/v1/namespaces/default/pods", pod)
    reference = {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": "caller",
        "uid": made["metadata"]["uid"],
    }
    request = {
        "spec": {
            "audiences": ["bailiwick-operator"],
            "expirationSeconds": 600,
            "boundObjectRef": reference,
        }
    }
    answer = control_plane.request(
        "POST", "/api/v1/namespaces/default/serviceaccounts/caller/token", request
    )
    token = Secret(answer["status"]["token"])

    async def run() -> None:
        async with HttpKube(control_plane.connection()) as kube:
            review = await kube.review_token(token, audience="bailiwick-operator")
            assert review.authenticated
            assert review.username == "system:serviceaccount:default:caller"
            assert review.audiences == ("bailiwick-operator",)
            assert review.extra["authentication.kubernetes.io/pod-name"] == ("caller",)

            other = await kube.review_token(token, audience="another")
            assert not other.authenticated

            control_plane.request(
                "DELETE", "/api/v1/namespaces/default/pods/caller?gracePeriodSeconds=0"
            )

            async def refused() -> bool:
                return not (
                    await kube.review_token(token, audience="bailiwick-operator")
                ).authenticated

            # The API server remembers a good token for ten seconds.
            await eventually(refused, within=30)

    asyncio.run(run())
