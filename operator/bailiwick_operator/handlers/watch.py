"""Every watch: what changed → which keys to look at. Nothing is stored on any object."""

from collections.abc import Callable, Iterable

import kopf

from bailiwick_operator.keys import Key, KeyKind, namespace_key, tenant_key
from bailiwick_operator.kube import kinds
from bailiwick_operator.kube.model import Kind
from bailiwick_operator.world import World

Keys = Callable[[World, str, str], Iterable[str]]
"""World, namespace and name of what changed → keys."""


class Watches:
    """Maps changes to keys; `world`, `add` and `released` are there once the operator started."""

    def __init__(
        self,
        *,
        world: Callable[[], World],
        add: Callable[[str], None],
        released: Callable[[str], None],
        indexed: Callable[[], None],
    ) -> None:
        """`indexed` is called once every index is filled, perhaps more than once."""
        self._indexed = indexed
        self._world = world
        self._add = add
        self._released = released

    def register(self, registry: kopf.OperatorRegistry) -> None:
        """Add every watch to the registry."""
        for kind, keys in (
            (kinds.TENANT, of_tenant),
            (kinds.CLUSTER_MODEL_PROVIDER, of_cluster_provider),
            (kinds.PRICE_BOOK, of_price_book),
            (kinds.MODEL_PROVIDER, of_namespace),
            (kinds.MODEL_ROUTE, of_namespace),
            (kinds.QUOTA, of_namespace),
            (kinds.NAMESPACE, of_namespace_itself),
            (kinds.TENANT_BINDING, of_namespace),
            (kinds.POD, of_holder),
            *((kind, of_holder) for kind in kinds.CHILDREN),
        ):
            self._register(registry, kind, keys)

    def changed(self, namespace: str) -> None:
        """A gateway pod of this namespace said something new."""
        for key in of_holder(self._world(), namespace, ""):
            self._add(key)

    def _register(self, registry: kopf.OperatorRegistry, kind: Kind, keys: Keys) -> None:
        async def watch(*, name: str | None, namespace: str | None, **event: object) -> None:
            # kopf calls no watch before all indices are filled; agents speak up earlier, and what
            # they say must not be acted upon with half of the resources.
            self._indexed()
            world = self._world()
            if kind is kinds.TENANT_BINDING and event["type"] == "DELETED":
                self._released(namespace or "")
            for key in keys(world, namespace or "", name or ""):
                self._add(key)

        kopf.on.event(
            kind.group, kind.version, kind.plural, id=f"watch_{kind.plural}", registry=registry
        )(watch)


def of_tenant(world: World, _: str, name: str) -> Iterable[str]:
    """The tenant, and those that want the same namespaces."""
    yield tenant_key(name)
    for namespace in tuple(world.bound.get(name, ())):
        yield from of_namespace(world, namespace, "")
    tenant = world.tenant(name)
    for claim in getattr(getattr(tenant, "spec", None), "namespaces", ()):
        yield from of_namespace(world, claim.name, "")


def of_cluster_provider(world: World, _: str, name: str) -> Iterable[str]:
    """The provider, and the tenants whose routes name it."""
    yield str(Key(KeyKind.SHARED, name, of=kinds.CLUSTER_MODEL_PROVIDER.kind))
    for namespace in set(world.provider_users.get(name, ())):
        yield from of_namespace(world, namespace, "")


def of_price_book(world: World, _: str, name: str) -> Iterable[str]:
    """The book, and every tenant: any may be charged by it."""
    yield str(Key(KeyKind.SHARED, name, of=kinds.PRICE_BOOK.kind))
    for tenant in tuple(world.tenants):
        yield tenant_key(tenant)


def of_namespace(world: World, namespace: str, _: str) -> Iterable[str]:
    """The tenants that want or hold the namespace; the namespace itself where none does."""
    found = set(world.claims.get(namespace, ()))
    binding = world.binding(namespace)
    if binding is not None:
        found.add(binding.tenant)
    if not found:
        yield namespace_key(namespace)
    for tenant in sorted(found):
        yield tenant_key(tenant)


def of_namespace_itself(world: World, _: str, name: str) -> Iterable[str]:
    """As of what is in it; nothing for a namespace that no tenant knows."""
    return (key for key in of_namespace(world, name, "") if key != namespace_key(name))


def of_holder(world: World, namespace: str, _: str) -> Iterable[str]:
    """The tenant that holds the namespace."""
    binding = world.binding(namespace)
    return () if binding is None else (tenant_key(binding.tenant),)
