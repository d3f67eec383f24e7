"""From what is known of the cluster to what one namespace's config depends on. Reads only."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bailiwick_operator.api.v1alpha1 import ClusterModelProvider, ModelProvider, Tenant
from bailiwick_operator.api.v1alpha1.quota_store import QuotaStore
from bailiwick_operator.compile.inputs import (
    Catalogue,
    Claim,
    CompileInput,
    ServiceAccountIssuer,
)
from bailiwick_operator.world import Broken, World, whole

Prices = Callable[[Iterable[ClusterModelProvider | ModelProvider]], Catalogue]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What configs depend on beside resources; `list_prices` knows what providers ask publicly."""

    list_prices: Prices
    quota_store: QuotaStore | None = None
    service_account_issuer: ServiceAccountIssuer | None = None


def gather(
    world: World, tenant: Tenant, namespace: str, *, surroundings: Surroundings
) -> CompileInput:
    """Everything that this namespace's config may depend on, as it is known now."""
    most = tenant.spec.gateway.most if tenant.spec.gateway else 1
    cluster_providers = whole(one for group in world.cluster_providers.values() for one in group)
    providers = whole(world.providers.get(namespace, ()))
    return CompileInput(
        tenant=tenant,
        namespace=namespace,
        gateways=len(tenant.spec.namespaces) * most,
        quota_store=surroundings.quota_store,
        claims=claims(world, namespace),
        cluster_providers=cluster_providers,
        providers=providers,
        routes=whole(world.routes.get(namespace, ())),
        quotas=whole(world.quotas.get(namespace, ())),
        price_books=whole(one for group in world.price_books.values() for one in group),
        catalogue=surroundings.list_prices((*cluster_providers, *providers)),
        service_account_issuer=surroundings.service_account_issuer,
    )


def claims(world: World, namespace: str) -> tuple[Claim, ...]:
    """Who wants this namespace, the winner first.

    Who holds it wins: it is not taken from a tenant that wants to keep it, however old the other
    one is.
    """
    binding = world.binding(namespace)
    found = []
    for name in world.claims.get(namespace, ()):
        tenant = world.tenant(name)
        if tenant is None or isinstance(tenant, Broken):
            continue
        holds = binding is not None and binding.tenant_uid == tenant.metadata.uid
        created = "" if holds else tenant.metadata.creation_timestamp
        found.append(Claim(created=created, tenant=name))
    return tuple(sorted(found))
