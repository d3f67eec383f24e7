"""What the operator knows of the cluster: read-only views of its indices."""

import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from bailiwick_operator.api.v1alpha1 import (
    ClusterModelProvider,
    ModelProvider,
    ModelRoute,
    PriceBook,
    Quota,
    Tenant,
)
from bailiwick_operator.children.binding import LEAVING
from bailiwick_operator.children.config import stored_version
from bailiwick_operator.compile.findings import Ref
from bailiwick_operator.kube.kinds import CONFIG_MAP, TENANT_BINDING
from bailiwick_operator.kube.model import Manifest
from bailiwick_operator.publish.hub import Version

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Broken:
    """A resource that does not fit the typed model, which the schema should have refused."""

    ref: Ref
    uid: str
    generation: int
    resource_version: str
    problem: str


@dataclass(frozen=True, slots=True)
class NamespaceState:
    """A namespace; nothing can be made in one that terminates."""

    name: str
    terminating: bool


@dataclass(frozen=True, slots=True)
class BindingState:
    """A TenantBinding; `leaving_since` is RFC 3339, empty while the tenant wants the namespace."""

    namespace: str
    uid: str
    tenant: str
    tenant_uid: str
    leaving_since: str
    terminating: bool


@dataclass(frozen=True, slots=True)
class PodState:
    """A gateway pod; `alive`: it runs, or may."""

    name: str
    uid: str
    ready: bool
    alive: bool


@dataclass(frozen=True, slots=True)
class ChildState:
    """One of the operator's own objects as last seen; `config` is the version it holds.

    `binding` is the UID of the TenantBinding that owns it; empty: none does.
    """

    kind: str
    name: str
    uid: str
    resource_version: str
    generation: int
    terminating: bool
    config: Version | None
    binding: str = ""


@dataclass(frozen=True, slots=True)
class World:
    """Views by name (cluster-scoped) or by namespace; they change under the reader's hands.

    `claims` maps a namespace to the tenants that list it, `bound` a tenant to the namespaces that
    it holds, `provider_users` a ClusterModelProvider to the namespaces whose routes name it, and
    `owned` holds one view for each kind of own object.
    """

    tenants: Mapping[str, Collection[Tenant | Broken]]
    claims: Mapping[str, Collection[str]]
    cluster_providers: Mapping[str, Collection[ClusterModelProvider | Broken]]
    price_books: Mapping[str, Collection[PriceBook | Broken]]
    providers: Mapping[str, Collection[ModelProvider | Broken]]
    routes: Mapping[str, Collection[ModelRoute | Broken]]
    quotas: Mapping[str, Collection[Quota | Broken]]
    provider_users: Mapping[str, Collection[str]]
    namespaces: Mapping[str, Collection[NamespaceState]]
    bindings: Mapping[str, Collection[BindingState]]
    bound: Mapping[str, Collection[str]]
    pods: Mapping[str, Collection[PodState]]
    owned: tuple[Mapping[str, Collection[ChildState]], ...]

    def tenant(self, name: str) -> Tenant | Broken | None:
        """The Tenant of this name."""
        return next(iter(self.tenants.get(name, ())), None)

    def namespace(self, name: str) -> NamespaceState | None:
        """The namespace of this name."""
        return next(iter(self.namespaces.get(name, ())), None)

    def binding(self, namespace: str) -> BindingState | None:
        """The namespace's one TenantBinding."""
        return next(iter(self.bindings.get(namespace, ())), None)

    def children(self, namespace: str) -> Iterable[ChildState]:
        """The operator's own objects in this namespace."""
        for view in self.owned:
            yield from view.get(namespace, ())

    def stored(self, namespace: str, name: str) -> Version | None:
        """The version of the config that the namespace's object of this name holds."""
        for child in self.children(namespace):
            if child.kind == CONFIG_MAP.kind and child.name == name:
                return child.config
        return None

    def of_namespace(self, namespace: str) -> Iterable[ModelProvider | ModelRoute | Quota | Broken]:
        """Every resource that a tenant team wrote in this namespace."""
        yield from self.providers.get(namespace, ())
        yield from self.routes.get(namespace, ())
        yield from self.quotas.get(namespace, ())


def parse(type_: type[T], body: Manifest) -> T | Broken:
    """The typed resource; Broken, with the reason, where the object does not fit."""
    try:
        return msgspec.convert(body, type=type_)
    except msgspec.ValidationError as error:
        metadata = body.get("metadata", {})
        return Broken(
            ref=Ref(
                kind=str(body.get("kind", type_.__name__)),
                namespace=str(metadata.get("namespace", "")),
                name=str(metadata.get("name", "")),
            ),
            uid=str(metadata.get("uid", "")),
            generation=int(metadata.get("generation", 0)),
            resource_version=str(metadata.get("resourceVersion", "")),
            problem=str(error),
        )


def whole(found: Iterable[T | Broken]) -> tuple[T, ...]:
    """Those that could be read."""
    return tuple(item for item in found if not isinstance(item, Broken))


def read_namespace(body: Manifest) -> NamespaceState:
    """The namespace's state."""
    return NamespaceState(
        name=body["metadata"]["name"],
        terminating="deletionTimestamp" in body["metadata"]
        or body.get("status", {}).get("phase") == "Terminating",
    )


def read_binding(body: Manifest) -> BindingState:
    """The binding's state."""
    metadata, spec = body["metadata"], body.get("spec", {})
    return BindingState(
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        tenant=str(spec.get("tenant", "")),
        tenant_uid=str(spec.get("tenantUID", "")),
        leaving_since=str((metadata.get("annotations") or {}).get(LEAVING, "")),
        terminating="deletionTimestamp" in metadata,
    )


def read_pod(body: Manifest) -> PodState:
    """The pod's state: ready, and not on its way out."""
    metadata = body["metadata"]
    status: dict[str, Any] = body.get("status", {})
    conditions: list[dict[str, Any]] = status.get("conditions") or []
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return PodState(
        name=metadata["name"],
        uid=metadata["uid"],
        ready=ready and "deletionTimestamp" not in metadata,
        alive=ready or status.get("phase") in ("Running", "Unknown"),
    )


def read_child(body: Manifest) -> ChildState:
    """The object's state."""
    metadata = body["metadata"]
    return ChildState(
        kind=str(body["kind"]),
        name=metadata["name"],
        uid=metadata["uid"],
        resource_version=str(metadata.get("resourceVersion", "")),
        generation=int(metadata.get("generation", 0)),
        terminating="deletionTimestamp" in metadata,
        config=stored_version(body) if body["kind"] == CONFIG_MAP.kind else None,
        binding=_binding_of(metadata),
    )


def _binding_of(metadata: Manifest) -> str:
    owners: list[Manifest] = metadata.get("ownerReferences") or []
    mine = (one["uid"] for one in owners if one["kind"] == TENANT_BINDING.kind)
    return sys.intern(next(mine, ""))  # one string for all objects of a namespace
