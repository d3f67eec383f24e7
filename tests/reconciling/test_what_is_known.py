"""Events of watches become what is known of the cluster, and keys of what to look at."""

import copy
import json
from typing import Any

import pytest
from cluster.operator_kit import tenant

from bailiwick_operator.handlers.lean import LAST_APPLIED, lean
from bailiwick_operator.handlers.watch import Watches
from bailiwick_operator.kube import kinds
from bailiwick_operator.kube.model import Kind
from bailiwick_operator.world import Broken


class Cluster:
    """Tells watches of objects as kopf would."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.released: list[str] = []
        self.begun = 0
        self.watches = Watches(
            add=self.keys.append, released=self.released.append, listed=self.begin
        )
        self.world = self.watches.world

    def begin(self) -> None:
        self.begun += 1

    def tell(self, kind: Kind, body: dict[str, Any], type_: str | None = None) -> list[str]:
        """The keys that follow."""
        self.keys.clear()
        assert self.watches.take(kind, {"type": type_, "object": copy.deepcopy(body)})
        return list(self.keys)


def made(body: dict[str, Any], uid: str = "") -> dict[str, Any]:
    """As the API server gives it."""
    metadata = {"uid": uid or f"uid-{body['metadata']['name']}", "generation": 1}
    return {**body, "metadata": {**body["metadata"], **metadata}}


def binding(of: str, namespace: str) -> dict[str, Any]:
    return made(
        {
            "apiVersion": "bailiwick.dev/v1alpha1",
            "kind": "TenantBinding",
            "metadata": {"name": "bailiwick", "namespace": namespace},
            "spec": {"tenant": of, "tenantUID": f"uid-{of}"},
        },
        uid=f"binding-{namespace}",
    )


@pytest.fixture
def cluster() -> Cluster:
    """A cluster with acme in acme-prod, listed route first."""
    cluster = Cluster()
    head, provider, route, quota = map(made, tenant("acme", "acme-prod"))
    for kind, body in (
        (kinds.MODEL_ROUTE, route),
        (kinds.QUOTA, quota),
        (kinds.CLUSTER_MODEL_PROVIDER, provider),
        (kinds.TENANT, head),
        (kinds.TENANT_BINDING, binding("acme", "acme-prod")),
    ):
        assert cluster.tell(kind, body) == [], "nothing is done with half of the resources"
    cluster.watches.listed()
    return cluster


def test_all_that_was_listed_is_looked_at(cluster: Cluster) -> None:
    """Once; a namespace that a tenant claims is that tenant's."""
    assert set(cluster.keys) == {"tenant/acme", "shared/ClusterModelProvider/vllm"}
    cluster.keys.clear()
    cluster.watches.listed()
    assert cluster.keys == []
    assert cluster.begun == 1


def test_orphans_are_looked_at() -> None:
    """A route in a namespace without a tenant: someone has to tell its author."""
    cluster = Cluster()
    cluster.tell(kinds.MODEL_ROUTE, made(tenant("acme", "stray")[2]))
    cluster.watches.listed()
    assert cluster.keys == ["namespace/stray"]


def test_a_change_moves_what_follows_from_it(cluster: Cluster) -> None:
    """A tenant that lists another namespace, a route that names another provider."""
    head, _, route, _ = map(made, tenant("acme", "acme-test"))
    assert cluster.tell(kinds.TENANT, head, "MODIFIED")[0] == "tenant/acme"
    assert {name: list(found) for name, found in cluster.world.claims.items()} == {
        "acme-test": ["acme"]
    }

    route["metadata"]["namespace"] = "acme-prod"
    route["spec"]["backends"][0]["provider"]["name"] = "other"
    assert cluster.tell(kinds.MODEL_ROUTE, route, "MODIFIED") == ["tenant/acme"]
    assert list(cluster.world.provider_users) == ["other"]
    assert len(cluster.world.routes["acme-prod"]) == 1


def test_what_is_deleted_is_not_known_any_more(cluster: Cluster) -> None:
    """Neither itself nor what followed from it; what is still there is looked at."""
    head, _, route, _ = map(made, tenant("acme", "acme-prod"))
    gone = {name: route[name] for name in ("apiVersion", "kind", "metadata")}
    assert cluster.tell(kinds.MODEL_ROUTE, gone, "DELETED") == ["tenant/acme"]
    assert "acme-prod" not in cluster.world.routes
    assert not cluster.world.provider_users

    assert "tenant/acme" in cluster.tell(kinds.TENANT, head, "DELETED")
    assert not cluster.world.tenants
    assert not cluster.world.claims

    found = binding("acme", "acme-prod")
    cluster.tell(kinds.TENANT_BINDING, found, "DELETED")
    assert cluster.released == ["acme-prod"]
    assert cluster.world.binding("acme-prod") is None
    assert not cluster.world.bound


def test_an_object_made_anew_outlives_the_old_one(cluster: Cluster) -> None:
    """The deletion of an object of the same name, told late, is not that of the new one."""
    route = tenant("acme", "acme-prod")[2]
    cluster.tell(kinds.MODEL_ROUTE, made(route, uid="new"), "ADDED")
    cluster.tell(kinds.MODEL_ROUTE, made(route), "DELETED")
    (left,) = cluster.world.routes["acme-prod"]
    assert not isinstance(left, Broken)
    assert left.metadata.uid == "new"


def test_one_object_that_nobody_understands_stops_no_other(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    """It is named in the log, and the next one is taken."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "odd"}}
    cluster.tell(kinds.NAMESPACE, namespace, "ADDED")
    assert "name=odd" in caplog.text
    cluster.tell(kinds.NAMESPACE, made(namespace), "ADDED")
    assert cluster.world.namespace("odd") is not None


def test_other_kinds_are_left_to_kopf(cluster: Cluster) -> None:
    """Such as the CRDs, by which kopf knows what can be watched."""
    crds = Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "crds", namespaced=False)
    assert not cluster.watches.take(crds, {"type": None, "object": {}})


def test_nothing_is_kept_that_nobody_reads() -> None:
    """Who set a field, what kubectl applied last, and more than the metadata of own objects."""
    metadata = {"name": "fast", "managedFields": [{}], "annotations": {LAST_APPLIED: "{}"}}
    route: dict[str, Any] = {
        "apiVersion": "bailiwick.dev/v1alpha1",
        "kind": "ModelRoute",
        "metadata": metadata,
        "spec": {"aliases": ["quick"]},
    }
    own: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "x", "annotations": {"bailiwick.dev/digest": "d"}},
        "binaryData": {"config.pb": "AAAA"},
    }
    for body in (route, own):
        lean(body)
    assert route["metadata"] == {"name": "fast", "annotations": {}}
    assert route["spec"] == {"aliases": ["quick"]}
    assert own["metadata"]["annotations"] == {"bailiwick.dev/digest": "d"}
    assert own.keys() == {"apiVersion", "kind", "metadata"}


def test_the_same_words_are_kept_once() -> None:
    """Two objects that were read apart hold the same string."""
    text = '{"apiVersion": "v1", "status": [{"reason": "Accepted"}]}'
    first, second = json.loads(text), json.loads(text)
    assert first["status"][0]["reason"] is not second["status"][0]["reason"]
    lean(first)
    lean(second)
    assert first["status"][0]["reason"] is second["status"][0]["reason"]
