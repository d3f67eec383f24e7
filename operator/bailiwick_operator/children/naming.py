"""Names, labels and owners of what the operator makes."""

from bailiwick_operator.children.model import Binding
from bailiwick_operator.kube.kinds import TENANT_BINDING
from bailiwick_operator.kube.model import Kind, Manifest

BINDING = "bailiwick"
"""The one TenantBinding of a namespace: one name, so that claiming is atomic."""

GATEWAY = "bailiwick-gateway"
"""Name of the gateway's objects, and of its service account."""

SERVICE = "bailiwick"
"""What callers name: http://bailiwick.<namespace>.svc/v1."""

WORKLOADS = "bailiwick-workloads"
"""Name of the policy for pods that are not the gateway's."""

CONFIG_CURRENT = "bailiwick-gateway-config"
CONFIG_ACKED = "bailiwick-gateway-config-acked"

OWNED = "bailiwick.dev/owned"
"""Label of everything that the operator makes; it watches, and protects, what has it."""

TENANT_LABEL = "bailiwick.dev/tenant"

HTTP_PORT = 8080
METRICS_PORT = 9090

SELECTOR = {"app.kubernetes.io/name": GATEWAY, OWNED: "true"}
"""Labels that select gateway pods; a Deployment's selector can't be changed later."""


def labels(binding: Binding) -> dict[str, str]:
    """Labels of each object of this namespace's gateway."""
    return {
        **SELECTOR,
        "app.kubernetes.io/managed-by": "bailiwick-operator",
        "app.kubernetes.io/part-of": "bailiwick",
        TENANT_LABEL: binding.tenant,
    }


def owner(kind: Kind, *, name: str, uid: str) -> Manifest:
    """An owner reference: the garbage collector deletes the object after its owner."""
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def metadata(binding: Binding, name: str, *, more: dict[str, str] | None = None) -> Manifest:
    """Metadata of an object that the binding owns."""
    found: Manifest = {
        "name": name,
        "namespace": binding.namespace,
        "labels": labels(binding),
        "ownerReferences": [owner(TENANT_BINDING, name=BINDING, uid=binding.uid)],
    }
    if more:
        found["annotations"] = more
    return found


def binding_metadata(*, namespace: str, tenant: str) -> Manifest:
    """Metadata of the TenantBinding itself. Nobody owns it: it outlives its Tenant (leaving.py)."""
    return {
        "name": BINDING,
        "namespace": namespace,
        "labels": {
            OWNED: "true",
            "app.kubernetes.io/managed-by": "bailiwick-operator",
            "app.kubernetes.io/part-of": "bailiwick",
            TENANT_LABEL: tenant,
        },
    }
