"""The TenantBinding: the claim of one Tenant on one namespace."""

from typing import Any

import msgspec

from bailiwick_operator.api.v1alpha1 import Tenant
from bailiwick_operator.children.naming import binding_metadata
from bailiwick_operator.kube.kinds import TENANT_BINDING
from bailiwick_operator.kube.model import Manifest

LEAVING = "bailiwick.dev/leaving-since"
"""When the namespace began to leave its tenant (RFC 3339): calls are refused from then on."""


def build_binding(tenant: Tenant, namespace: str) -> Manifest:
    """The claim, with the bounds that admission policies look at."""
    spec: dict[str, Any] = {"tenant": tenant.metadata.name, "tenantUID": tenant.metadata.uid}
    if tenant.spec.ceilings:
        spec["ceilings"] = without_absent(msgspec.to_builtins(tenant.spec.ceilings))
    if tenant.spec.own_providers is not None:
        spec["ownProviders"] = without_absent(msgspec.to_builtins(tenant.spec.own_providers))
    return _binding(binding_metadata(namespace=namespace, tenant=tenant.metadata.name), spec)


def build_leaving(found: Manifest, *, since: str) -> Manifest:
    """The claim that stands, marked as one that ends; its bounds hold to the end."""
    namespace, spec = found["metadata"]["namespace"], found["spec"]
    metadata = binding_metadata(namespace=namespace, tenant=spec["tenant"])
    metadata["annotations"] = {LEAVING: since}
    return _binding(metadata, spec)


def _binding(metadata: Manifest, spec: Manifest) -> Manifest:
    return {
        "apiVersion": TENANT_BINDING.api_version,
        "kind": TENANT_BINDING.kind,
        "metadata": metadata,
        "spec": spec,
    }


def without_absent(value: Any) -> Any:
    """The value without members that are None or empty: what was not written is not copied."""
    if isinstance(value, dict):
        kept = {key: without_absent(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in (None, [], ())}
    if isinstance(value, list | tuple):
        return [without_absent(item) for item in value]
    return value
