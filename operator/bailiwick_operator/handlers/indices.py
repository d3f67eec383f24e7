"""Everything that is known of the cluster: parsed resources by name or namespace."""

from collections.abc import Callable, Iterable
from typing import Any

from bailiwick_operator.api.v1alpha1 import (
    ClusterModelProvider,
    ModelProvider,
    ModelRoute,
    PriceBook,
    Quota,
    Tenant,
)
from bailiwick_operator.handlers.tables import Groups, Table
from bailiwick_operator.kube import kinds
from bailiwick_operator.kube.model import Kind, Manifest
from bailiwick_operator.world import (
    BindingState,
    Broken,
    ChildState,
    NamespaceState,
    PodState,
    World,
    parse,
    read_binding,
    read_child,
    read_namespace,
    read_pod,
)

Read = Callable[[Manifest], Any]


class Indices:
    """One table for each kind that is watched, filled event by event; `world` views them."""

    def __init__(self) -> None:
        """Start empty."""
        self._tables: dict[Kind, tuple[Table[Any], Read]] = {}
        claims: Groups[str] = Groups()
        users: Groups[str] = Groups()
        bound: Groups[str] = Groups()
        tenants: Table[Tenant | Broken] = self._typed(kinds.TENANT, Tenant, (claims, _claims))
        cluster: Table[ClusterModelProvider | Broken] = self._typed(
            kinds.CLUSTER_MODEL_PROVIDER, ClusterModelProvider
        )
        books: Table[PriceBook | Broken] = self._typed(kinds.PRICE_BOOK, PriceBook)
        providers: Table[ModelProvider | Broken] = self._typed(kinds.MODEL_PROVIDER, ModelProvider)
        routes: Table[ModelRoute | Broken] = self._typed(
            kinds.MODEL_ROUTE, ModelRoute, (users, _providers)
        )
        quotas: Table[Quota | Broken] = self._typed(kinds.QUOTA, Quota)
        namespaces: Table[NamespaceState] = self._add(kinds.NAMESPACE, read_namespace)
        bindings: Table[BindingState] = self._add(
            kinds.TENANT_BINDING, read_binding, (bound, _holder)
        )
        pods: Table[PodState] = self._add(kinds.POD, read_pod)
        children: list[Table[ChildState]] = [self._add(kind, read_child) for kind in kinds.CHILDREN]
        self.world = World(
            tenants=tenants.values,
            claims=claims,
            cluster_providers=cluster.values,
            price_books=books.values,
            providers=providers.values,
            routes=routes.values,
            quotas=quotas.values,
            provider_users=users,
            namespaces=namespaces.values,
            bindings=bindings.values,
            bound=bound,
            pods=pods.values,
            owned=tuple(table.values for table in children),
        )

    @property
    def kinds(self) -> Iterable[Kind]:
        """What has to be watched."""
        return self._tables.keys()

    def take(self, kind: Kind, body: Manifest, *, deleted: bool) -> None:
        """Bring the kind's table in step with one object."""
        table, read = self._tables[kind]
        metadata = body["metadata"]
        place = metadata["namespace" if kind.namespaced else "name"]
        if deleted:
            table.pop(place, metadata["uid"])
        else:
            table.put(place, metadata["uid"], read(body))

    def _typed(self, kind: Kind, model: type[Any], *derived: Any) -> Table[Any]:
        return self._add(kind, lambda body: parse(model, body), *derived)

    def _add(self, kind: Kind, read: Read, *derived: Any) -> Table[Any]:
        table: Table[Any] = Table(*derived)
        self._tables[kind] = table, read
        return table


def _claims(tenant: Tenant | Broken) -> Iterable[tuple[str, str]]:
    if not isinstance(tenant, Broken):
        for claim in tenant.spec.namespaces:
            yield claim.name, tenant.metadata.name


def _providers(route: ModelRoute | Broken) -> Iterable[tuple[str, str]]:
    if not isinstance(route, Broken):
        for backend in route.spec.backends:
            if backend.provider.kind.value == kinds.CLUSTER_MODEL_PROVIDER.kind:
                yield backend.provider.name, route.metadata.namespace


def _holder(binding: BindingState) -> Iterable[tuple[str, str]]:
    yield binding.tenant, binding.namespace
