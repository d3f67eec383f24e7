"""Every watch: what changed → which keys to look at. Nothing is stored on any object."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

import kopf

from bailiwick_operator.handlers.indices import Indices
from bailiwick_operator.keys import Key, KeyKind, namespace_key, tenant_key
from bailiwick_operator.kube import kinds
from bailiwick_operator.kube.model import Kind
from bailiwick_operator.world import World

log = logging.getLogger(__name__)

Keys = Callable[[World, str, str], Iterable[str]]
"""World, namespace and name of what changed → keys."""


class Watches:
    """Keeps `world` in step with the cluster, and maps changes to keys."""

    def __init__(
        self,
        *,
        add: Callable[[str], None],
        released: Callable[[str], None],
        listed: Callable[[], None],
    ) -> None:
        """`listed` is called once, when everything there is has been seen.

        Until then nothing is added: what changes must not be acted upon with half of the resources.
        """
        self._indices = Indices()
        self._add = add
        self._released = released
        self._tell = listed
        self._whole = False
        self._keys: dict[Kind, Keys] = {
            kinds.TENANT: of_tenant,
            kinds.CLUSTER_MODEL_PROVIDER: of_cluster_provider,
            kinds.PRICE_BOOK: of_price_book,
            kinds.MODEL_PROVIDER: of_namespace,
            kinds.MODEL_ROUTE: of_namespace,
            kinds.QUOTA: of_namespace,
            kinds.NAMESPACE: of_namespace_itself,
            kinds.TENANT_BINDING: of_namespace,
            kinds.POD: of_holder,
            **dict.fromkeys(kinds.CHILDREN, of_holder),
        }
        self._kinds = {(kind.group, kind.version, kind.plural): kind for kind in self._keys}

    @property
    def world(self) -> World:
        """What is known; not whole before `listed`."""
        return self._indices.world

    def register(self, registry: kopf.OperatorRegistry) -> None:
        """Have kopf watch every kind, and wait until each is listed."""

        async def index(**_: object) -> None:
            """Never called: `take` takes each event before."""

        for kind in self._keys:
            kopf.index(
                kind.group, kind.version, kind.plural, id=f"known_{kind.plural}", registry=registry
            )(index)

    def take(self, resource: Any, event: Any) -> bool:
        """Take note of one raw event of a watch; false where it is of another kind."""
        kind = self._kinds.get((resource.group, resource.version, resource.plural))
        if kind is None:
            return False
        body, deleted = event["object"], event["type"] == "DELETED"
        metadata = body["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        try:
            self._indices.take(kind, body, deleted=deleted)
        except Exception:
            # Of one object; the others go on, and so does the watch.
            log.exception("not understood kind=%s namespace=%s name=%s", kind.kind, namespace, name)
        if kind is kinds.TENANT_BINDING and deleted:
            self._released(namespace)
        if self._whole:
            for key in self._keys[kind](self.world, namespace, name):
                self._add(key)
        return True

    def listed(self) -> None:
        """Everything there is was seen: look at all of it."""
        if self._whole:
            return
        self._whole = True
        for key in everything(self.world):
            self._add(key)
        self._tell()

    def changed(self, namespace: str) -> None:
        """A gateway pod of this namespace said something new."""
        for key in of_holder(self.world, namespace, ""):
            self._add(key)


def everything(world: World) -> Iterable[str]:
    """Every tenant, shared resource and namespace with something in it, some more than once."""
    for tenant in world.tenants:
        yield tenant_key(tenant)
    for kind, names in (
        (kinds.CLUSTER_MODEL_PROVIDER, world.cluster_providers),
        (kinds.PRICE_BOOK, world.price_books),
    ):
        for name in names:
            yield str(Key(KeyKind.SHARED, name, of=kind.kind))
    for namespaces in (world.bindings, world.providers, world.routes, world.quotas):
        for namespace in namespaces:
            yield from of_namespace(world, namespace, "")


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
