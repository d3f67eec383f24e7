"""A release on the cluster: its revision, the pods it leaves alone, what its images hold."""

import json
from typing import Any

from e2e.client import Cluster, repository
from e2e.world import MODELS, RELEASE, SYSTEM, TENANT_NAMESPACE, helm

SBOM = "/usr/share/sbom/bailiwick.cdx.json"
HOLDERS = {"operator": (SYSTEM, "bailiwick-operator"), "gateway": (MODELS, "vllm")}
"""A pod of each image: nobody looks into a gateway, and the providers here run in its image."""


def components(cluster: Cluster, image: str) -> dict[str, dict[str, Any]]:
    """What the image says it is made of, by name; read from a running pod, as its user."""
    namespace, deployment = HOLDERS[image]
    where = (f"--namespace={namespace}", f"deployment/{deployment}")
    document = json.loads(cluster("exec", *where, "--", "cat", SBOM))
    assert document["bomFormat"] == "CycloneDX"
    return {one["name"]: one for one in document["components"]}


def gateway_pods(cluster: Cluster) -> dict[str, int]:
    """Name and restarts of the tenant's gateway pods."""
    pods = cluster.items(
        "pods", f"--namespace={TENANT_NAMESPACE}", "-l", "app.kubernetes.io/name=bailiwick-gateway"
    )
    return {
        one["metadata"]["name"]: sum(
            said["restartCount"]
            for kind in ("containerStatuses", "initContainerStatuses")
            for said in one["status"].get(kind, ())
        )
        for one in pods
    }


def upgrade(*options: str) -> int:
    """Upgrade with the values that it has and these; the new revision."""
    chart = str(repository() / "helm" / "bailiwick")
    wait = ("--reuse-values", "--wait", "--timeout", "200s")
    helm("upgrade", RELEASE, chart, *wait, *options)
    revision: int = json.loads(helm("status", RELEASE, "-o", "json"))["version"]
    return revision
