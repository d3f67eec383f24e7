"""Backends: one model at one provider, where this tenant may use it."""

from collections.abc import Mapping
from dataclasses import dataclass

from bailiwick_contract.v1.tenant_config_pb2 import Backend as BackendConfig
from bailiwick_operator.api.v1alpha1 import ModelRoute, Tenant
from bailiwick_operator.api.v1alpha1.model_route import Backend, ProviderKind
from bailiwick_operator.api.v1alpha1.tenant import UnpricedModels
from bailiwick_operator.compile.access import teams_with_access
from bailiwick_operator.compile.findings import Ref, Report
from bailiwick_operator.compile.prices import PriceTables, prices_of
from bailiwick_operator.compile.providers import ModelFacts, ResolvedProvider
from bailiwick_operator.conditions import Reason

Providers = Mapping[str, ResolvedProvider]
"""Every provider of this config by the name that the contract gives it."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a route's backends are checked against.

    `today` is the compile's time as RFC 3339 in UTC: which price holds now.
    """

    tenant: Tenant
    providers: Providers
    prices: PriceTables
    money_limited: bool
    today: str


def compile_backends(route: ModelRoute, around: Surroundings, out: Report) -> list[BackendConfig]:
    """The route's backends by priority and name; those that are refused are left out."""
    compiled = []
    seen: set[tuple[str, str]] = set()
    names: set[str] = set()
    for index, backend in enumerate(route.spec.backends):
        path = f"spec.backends[{index}]"
        place = (_provider_name(backend), backend.model)
        if place in seen:
            out.refuse(
                path,
                Reason.DUPLICATE,
                "two backends name the same provider and model: a fallback to the same place is "
                "none",
                cure="keep one of them, or name another provider or model",
            )
        if backend.name in names:
            out.refuse(
                f"{path}.name",
                Reason.DUPLICATE,
                f"there are two backends named {backend.name}",
                cure="give each its own name",
            )
        seen.add(place)
        names.add(backend.name)
        one = _backend(backend, route, around, out, path=path)
        if one is not None:
            compiled.append(one)
    return sorted(compiled, key=lambda one: (one.priority, one.name))


def _backend(
    backend: Backend, route: ModelRoute, around: Surroundings, out: Report, *, path: str
) -> BackendConfig | None:
    provider = _provider(backend, around, out, path=f"{path}.provider")
    if provider is None:
        return None
    model = provider.models.get(backend.model)
    if model is None:
        out.refuse(
            f"{path}.model",
            Reason.MODEL_NOT_FOUND,
            f"{backend.provider.kind.value} {backend.provider.name} lists no model {backend.model}",
            cure="name one of its spec.models, or have it added there",
        )
        return None
    _check_region(provider, around.tenant, out, path=f"{path}.provider")
    _check_tier(model, route, around.tenant, out, path=f"{path}.model")
    prices = prices_of(provider, backend.model, around.prices, out, path=f"{path}.model")
    begun = [price for price in prices if _since(price) <= around.today]
    if not begun and around.money_limited:
        _note_unpriced(backend, around.tenant, out, path=f"{path}.model")
    return BackendConfig(
        name=backend.name,
        provider=provider.config.name,
        model=backend.model,
        tier=model.tier,
        weight=backend.weight,
        priority=backend.priority,
        max_output_tokens=model.max_output_tokens,
        context_window=model.context_window,
        prices=prices,
    )


def _provider_name(backend: Backend) -> str:
    return f"{backend.provider.kind.value}/{backend.provider.name}"


def _provider(
    backend: Backend, around: Surroundings, out: Report, *, path: str
) -> ResolvedProvider | None:
    provider = around.providers.get(_provider_name(backend))
    tenant = around.tenant.metadata.name
    own = backend.provider.kind is ProviderKind.MODEL_PROVIDER
    about = Ref(
        backend.provider.kind.value,
        out.resource.namespace if own else "",
        backend.provider.name,
    )
    shown = f"{backend.provider.kind.value} {backend.provider.name}"
    if provider is None:
        out.refuse(
            f"{path}.name",
            Reason.REF_NOT_FOUND,
            f"there is no {shown}",
            cure="apply it, or correct kind and name; a ModelProvider has to be in the route's "
            "own namespace",
            about=about,
        )
    elif provider.allowed_tenants is not None and tenant not in provider.allowed_tenants:
        out.refuse(
            f"{path}.name",
            Reason.PROVIDER_NOT_ALLOWED,
            f"{shown} does not allow tenant {tenant}",
            cure="ask the platform team to add the tenant to its spec.allowedTenants.names",
        )
    elif provider.report.refused:
        out.refuse(
            f"{path}.name",
            Reason.PROVIDER_NOT_ACCEPTED,
            f"{shown} is not accepted",
            cure="see its own condition",
            about=about,
        )
    else:
        return provider
    return None


def _check_region(provider: ResolvedProvider, tenant: Tenant, out: Report, *, path: str) -> None:
    residency = tenant.spec.residency
    region = provider.config.region
    if residency is not None and region not in residency.regions:
        out.refuse(
            f"{path}.name",
            Reason.REGION_NOT_ALLOWED,
            f"{provider.config.name} is in {region or 'no region'}, and tenant "
            f"{tenant.metadata.name} may only use {', '.join(sorted(residency.regions))}",
            cure="name a provider in one of these regions",
        )


def _check_tier(
    model: ModelFacts, route: ModelRoute, tenant: Tenant, out: Report, *, path: str
) -> None:
    teams = teams_with_access(tenant, model.tier)
    if teams is None:
        out.refuse(
            path,
            Reason.TIER_NOT_ALLOWED,
            f"its tier {model.tier} is not open to tenant {tenant.metadata.name}",
            cure="name a model of an open tier, or have the tier added to modelAccess of the "
            "Tenant",
        )
    elif route.spec.teams and teams.isdisjoint(route.spec.teams):
        out.refuse(
            path,
            Reason.TIER_NOT_ALLOWED,
            f"no team of this route may use tier {model.tier}, only {', '.join(sorted(teams))}",
            cure="name another model, or a team that may use it",
        )


def _since(price: object) -> str:
    return str(getattr(price, "from"))


def _note_unpriced(backend: Backend, tenant: Tenant, out: Report, *, path: str) -> None:
    denied = tenant.spec.unpriced_models is UnpricedModels.DENY
    out.note(
        path,
        Reason.UNPRICED_MODEL,
        f"{backend.model} at {backend.provider.name} has no price in {tenant.spec.currency}, and "
        + (
            "money is limited: calls to it are refused"
            if denied
            else "unpricedModels is Allow: calls to it are not counted against any budget"
        ),
        cure="give it a price, in the provider or a PriceBook",
    )
