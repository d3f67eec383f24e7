"""The chart's Role is enough to hold the lease."""

import asyncio
from datetime import UTC, datetime

from cluster.control_plane import ControlPlane
from cluster.operator_kit import ensure_namespace

from bailiwick_operator.kube.http import HttpKube
from bailiwick_operator.lease import Lease

RULES = [
    {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "resourceNames": ["bailiwick-operator"],
        "verbs": ["get", "patch"],
    },
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
]
"""As in helm/bailiwick/templates/rbac.yaml."""


def test_the_lease_is_made_renewed_and_released(control_plane: ControlPlane) -> None:
    """With these rights and no others it is created, taken again, given back, and taken anew."""
    plane, namespace = control_plane, "lease-rights"
    ensure_namespace(plane, namespace)
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    plane.request("POST", accounts, {"metadata": {"name": "op"}})
    root = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    plane.request("POST", f"{root}/roles", {"metadata": {"name": "op"}, "rules": RULES})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "op"}
    subject = {"kind": "ServiceAccount", "name": "op", "namespace": namespace}
    binding = {"metadata": {"name": "op"}, "roleRef": reference, "subjects": [subject]}
    plane.request("POST", f"{root}/rolebindings", binding)
    asked = {"spec": {"audiences": [], "expirationSeconds": 600}}
    token = plane.request("POST", f"{accounts}/op/token", asked)["status"]["token"]
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/bailiwick-operator"

    async def run() -> None:
        async with HttpKube(plane.connection(token)) as kube:

            def lease(identity: str) -> Lease:
                return Lease(
                    kube, namespace=namespace, identity=identity, now=lambda: datetime.now(UTC)
                )

            await asyncio.wait_for(lease("a").acquire(), 60)
            await asyncio.wait_for(lease("a").acquire(), 60)
            assert plane.request("GET", path)["spec"]["holderIdentity"] == "a"
            await lease("b").release()
            assert plane.request("GET", path)["spec"]["holderIdentity"] == "a"
            await lease("a").release()
            await asyncio.wait_for(lease("b").acquire(), 60)
            assert plane.request("GET", path)["spec"]["holderIdentity"] == "b"

    asyncio.run(run())
