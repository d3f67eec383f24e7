"""A config in the form in which calls look things up: compiled once, whole, or refused."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from bailiwick_contract.errors import BailiwickError
from bailiwick_contract.rating import PriceList, RatingError
from bailiwick_contract.v1.tenant_config_pb2 import (
    Backend,
    Credential,
    OnOutage,
    Provider,
    Route,
    TenantConfig,
    UnpricedModels,
)
from bailiwick_sidecar.admission.identity import Callers
from bailiwick_sidecar.admission.retry_budget import Budget
from bailiwick_sidecar.names import MAX_ATTEMPTS, backend_code, endpoint_mark, route_code
from bailiwick_sidecar.rekeying import asks_again, named
from bailiwick_sidecar.secrets import KeyRef

DEFAULT_REQUEST_MS: Final = 600_000
"""How long a call may take where its route says nothing."""


class ConfigMeaningError(BailiwickError):
    """A config of a known version that says something this agent cannot obey."""


@dataclass(frozen=True, slots=True)
class Place:
    """One backend of one route. Limits of 0 are not known; `key` is None where none is needed."""

    code: str
    name: str
    provider: str
    protocol: str
    model: str
    model_json: str
    tier: str
    weight: int
    priority: int
    max_output: int
    context: int
    prices: PriceList
    key: KeyRef | None
    fingerprint: str
    """Tells whether two configs mean the same endpoint and key by this backend."""

    def service_tiers(self, at_ms: int) -> tuple[str, ...]:
        """Names of the service tiers that have a price of their own then (ms since the epoch)."""
        price = self.prices.at(at_ms) if self.prices.tiered else None
        return tuple(name for name, _ in price.tiers) if price else ()


@dataclass(frozen=True, slots=True)
class Way:
    """One route. `teams` is None where every team may use it; limits of 0 are none.

    `places` are all its backends; `live` those that Envoy can reach as they are written here.
    """

    name: str
    code: str
    aliases: tuple[str, ...]
    places: tuple[Place, ...]
    live: tuple[Place, ...]
    teams: frozenset[str] | None
    max_attempts: int
    max_output: int
    default_output: int
    request_ms: int
    sticky: bool = False
    """A user's calls stay at one backend of a priority."""
    cut: bool = False
    """A stream that passes what was reserved for it is ended for its caller."""
    budget: Budget | None = None
    """How many further attempts are made; None: each that may be."""
    asks_again: bool = False
    """A call whose key was refused is tried once more at the same place (see rekeying.py)."""
    pending: bool = False
    """True while Envoy has none of the route's places as they are written, but soon will."""


@dataclass(frozen=True, slots=True)
class Tables:
    """Everything of one config that a call needs."""

    tenant: str
    namespace: str
    currency: str
    deny_reason: str
    unpriced_denied: bool
    ledger_needed: bool
    """The tenant has calls refused while the ledger takes no rows."""
    callers: Callers
    ways: Mapping[str, Way]
    tiers: Mapping[str, frozenset[str] | None]
    tags: tuple[str, ...]
    protocols: Mapping[str, str]

    def place(self, code: str) -> Place | None:
        """The live place of a backend code."""
        return next(
            (place for way in self.ways.values() for place in way.live if place.code == code), None
        )

    def tier_open(self, tier: str, team: str) -> bool:
        """True where this tier is listed, and for this team or for every one."""
        if tier not in self.tiers:
            return False
        teams = self.tiers[tier]
        return teams is None or team in teams


def tables(config: TenantConfig) -> Tables:
    """The config's tables.

    Raises:
        ConfigMeaningError: it names what it does not hold, or a price that is none.
    """
    providers = {provider.name: provider for provider in config.providers}
    ways: dict[str, Way] = {}
    for route in config.routes:
        way = _way(route, providers)
        for alias in route.aliases:
            if alias in ways:
                raise ConfigMeaningError(
                    f"routes {ways[alias].name} and {route.name} both claim alias {alias}:"
                    " an alias belongs to one route"
                )
            ways[alias] = way
    return Tables(
        tenant=config.tenant,
        namespace=config.namespace,
        currency=config.currency,
        deny_reason=config.deny_reason,
        # Anything but an explicit Allow denies.
        unpriced_denied=config.unpriced_models != UnpricedModels.UNPRICED_MODELS_ALLOW,
        ledger_needed=config.on_outage.ledger == OnOutage.LEDGER_DENY,
        callers=Callers(config),
        ways=ways,
        tiers=_tiers(config),
        tags=tuple(config.caller_tags),
        protocols={name: _protocol(provider) for name, provider in providers.items()},
    )


def live(desired: Tables, acked: Tables | None, *, awaited: bool = False) -> Tables:
    """The desired tables with what Envoy has acknowledged as the places that calls may go to.

    A backend whose endpoint or key changed is not live until Envoy has the new one: otherwise the
    new provider's key would go to the old provider. A route of which nothing is live yet keeps
    the backends that Envoy has for it, and is pending where its answer is `awaited`: calls wait
    that moment, so that an edit drops none.
    """
    known = {way.name: way for way in acked.ways.values()} if acked else {}
    ways: dict[str, Way] = {}
    for name, way in {way.name: way for way in desired.ways.values()}.items():
        before = known[name].places if name in known else ()
        served = {place.code: place.fingerprint for place in before}
        same = tuple(place for place in way.places if served.get(place.code) == place.fingerprint)
        pending = awaited and not same
        ways[name] = replace(way, live=same or before, pending=pending)
    return replace(desired, ways={alias: ways[way.name] for alias, way in desired.ways.items()})


def _tiers(config: TenantConfig) -> dict[str, frozenset[str] | None]:
    tiers: dict[str, frozenset[str] | None] = {}
    for access in config.model_access:
        teams = frozenset(access.teams) or None
        before = tiers.get(access.tier, frozenset())
        tiers[access.tier] = None if teams is None or before is None else before | teams
    return tiers


def _way(route: Route, providers: Mapping[str, Provider]) -> Way:
    return Way(
        name=route.name,
        code=route_code(route.name),
        aliases=tuple(route.aliases),
        places=tuple(_place(route, backend, providers) for backend in route.backends),
        live=(),
        teams=frozenset(route.teams) or None,
        max_attempts=min(max(route.fallback.max_attempts, 1), MAX_ATTEMPTS),
        max_output=route.max_output_tokens,
        default_output=route.default_output_tokens,
        request_ms=route.timeouts.request_ms or DEFAULT_REQUEST_MS,
        sticky=route.stickiness == Route.STICKINESS_USER,
        cut=route.on_exceed == Route.ON_EXCEED_CUT,
        budget=_budget(route),
        asks_again=asks_again(route, named(providers)),
    )


def _budget(route: Route) -> Budget | None:
    if not route.fallback.HasField("retry_budget"):
        return None
    said = route.fallback.retry_budget
    return Budget(percent=said.percent, min_per_minute=said.min_per_minute)


def _place(route: Route, backend: Backend, providers: Mapping[str, Provider]) -> Place:
    provider = providers.get(backend.provider)
    if provider is None:
        raise ConfigMeaningError(
            f"route {route.name}, backend {backend.name}: provider {backend.provider} is not part"
            " of this config"
        )
    return Place(
        code=backend_code(route.name, backend.name),
        name=backend.name,
        provider=backend.provider,
        protocol=_protocol(provider),
        model=backend.model,
        model_json=json.dumps(backend.model),
        tier=backend.tier,
        weight=backend.weight,
        priority=backend.priority,
        max_output=backend.max_output_tokens,
        context=backend.context_window,
        prices=_prices(route, backend),
        key=_key(provider.credential),
        fingerprint=endpoint_mark(provider),
    )


def _prices(route: Route, backend: Backend) -> PriceList:
    try:
        return PriceList(backend.prices)
    except RatingError as error:
        raise ConfigMeaningError(f"route {route.name}, backend {backend.name}: {error}") from error


def _key(credential: Credential) -> KeyRef | None:
    if credential.type == Credential.TYPE_NONE:
        return None
    return KeyRef(credential.mount, credential.path, credential.key)


def _protocol(provider: Provider) -> str:
    if provider.protocol == Provider.PROTOCOL_OPENAI:
        return "openai"
    raise ConfigMeaningError(
        f"provider {provider.name} speaks protocol {provider.protocol}, which this release does"
        " not know: upgrade the gateway"
    )
