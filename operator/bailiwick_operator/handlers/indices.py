"""Every index: parsed resources by name or namespace. kopf fills them before any other handler."""

from collections.abc import Mapping
from typing import Any

import kopf

from bailiwick_operator.api.v1alpha1 import (
    ClusterModelProvider,
    ModelProvider,
    ModelRoute,
    PriceBook,
    Quota,
    Tenant,
)
from bailiwick_operator.kube import kinds
from bailiwick_operator.kube.model import Kind, Manifest
from bailiwick_operator.world import (
    Broken,
    World,
    parse,
    read_binding,
    read_child,
    read_namespace,
    read_pod,
)

TYPES: tuple[tuple[str, Kind, type[Any]], ...] = (
    ("all_tenants", kinds.TENANT, Tenant),
    ("cluster_providers", kinds.CLUSTER_MODEL_PROVIDER, ClusterModelProvider),
    ("price_books", kinds.PRICE_BOOK, PriceBook),
    ("model_providers", kinds.MODEL_PROVIDER, ModelProvider),
    ("model_routes", kinds.MODEL_ROUTE, ModelRoute),
    ("model_quotas", kinds.QUOTA, Quota),
)
"""Index, kind and typed model of each custom resource."""


def register_indices(registry: kopf.OperatorRegistry) -> None:
    """Add every index to the registry."""
    for name, kind, model in TYPES:
        _register(registry, name, kind, _typed(kind, model))
    _register(registry, "tenant_claims", kinds.TENANT, _claims)
    _register(registry, "provider_users", kinds.MODEL_ROUTE, _provider_users)
    _register(registry, "known_namespaces", kinds.NAMESPACE, _namespace)
    _register(registry, "namespace_bindings", kinds.TENANT_BINDING, _binding)
    _register(registry, "bound_namespaces", kinds.TENANT_BINDING, _bound)
    _register(registry, "gateway_pods", kinds.POD, _pod)
    for kind in kinds.CHILDREN:
        _register(registry, f"owned_{kind.plural}", kind, _child)


def world_of(indices: Mapping[str, Any]) -> World:
    """The views that kopf passes to handlers, as the World."""
    return World(
        tenants=indices["all_tenants"],
        claims=indices["tenant_claims"],
        cluster_providers=indices["cluster_providers"],
        price_books=indices["price_books"],
        providers=indices["model_providers"],
        routes=indices["model_routes"],
        quotas=indices["model_quotas"],
        provider_users=indices["provider_users"],
        namespaces=indices["known_namespaces"],
        bindings=indices["namespace_bindings"],
        bound=indices["bound_namespaces"],
        pods=indices["gateway_pods"],
        owned=tuple(indices[f"owned_{kind.plural}"] for kind in kinds.CHILDREN),
    )


def _register(registry: kopf.OperatorRegistry, name: str, kind: Kind, read: Any) -> None:
    async def index(*, body: kopf.Body, **_: object) -> Mapping[str, Any]:
        found: Mapping[str, Any] = read(dict(body))
        return found

    kopf.index(kind.group, kind.version, kind.plural, id=name, registry=registry)(index)


def _typed(kind: Kind, model: type[Any]) -> Any:
    def read(body: Manifest) -> Mapping[str, Any]:
        key = "namespace" if kind.namespaced else "name"
        return {body["metadata"][key]: parse(model, body)}

    return read


def _claims(body: Manifest) -> Mapping[str, str]:
    tenant = parse(Tenant, body)
    if isinstance(tenant, Broken):
        return {}
    return {claim.name: tenant.metadata.name for claim in tenant.spec.namespaces}


def _provider_users(body: Manifest) -> Mapping[str, str]:
    route = parse(ModelRoute, body)
    if isinstance(route, Broken):
        return {}
    return {
        backend.provider.name: route.metadata.namespace
        for backend in route.spec.backends
        if backend.provider.kind.value == kinds.CLUSTER_MODEL_PROVIDER.kind
    }


def _namespace(body: Manifest) -> Mapping[str, Any]:
    state = read_namespace(body)
    return {state.name: state}


def _binding(body: Manifest) -> Mapping[str, Any]:
    state = read_binding(body)
    return {state.namespace: state}


def _bound(body: Manifest) -> Mapping[str, str]:
    state = read_binding(body)
    return {state.tenant: state.namespace}


def _pod(body: Manifest) -> Mapping[str, Any]:
    return {body["metadata"]["namespace"]: read_pod(body)}


def _child(body: Manifest) -> Mapping[str, Any]:
    return {body["metadata"]["namespace"]: read_child(body)}
