"""Everything that one tenant namespace's config may depend on, and everything that comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_operator.api.v1alpha1 import (
    ClusterModelProvider,
    ModelProvider,
    ModelRoute,
    PriceBook,
    Quota,
    Tenant,
)
from bailiwick_operator.api.v1alpha1.provider import Price
from bailiwick_operator.api.v1alpha1.quota_store import QuotaStore
from bailiwick_operator.compile.findings import Finding, Ref
from bailiwick_operator.conditions import Condition


@dataclass(frozen=True, slots=True, order=True)
class Claim:
    """A Tenant's wish to have a namespace. Ordered: the smallest claim wins.

    `created` is the Tenant's creationTimestamp (RFC 3339), empty where there is none, as in files.
    """

    created: str
    tenant: str


@dataclass(frozen=True, slots=True)
class ServiceAccountIssuer:
    """The cluster's issuer of service-account tokens: exactly one of the two key sources."""

    issuer: str
    jwks_inline: str = ""
    jwks_uri: str = ""


@dataclass(frozen=True, slots=True)
class DevelopmentIssuer:
    """The issuer of local mode's tokens, trusted for every tenant that is served there.

    A token counts only at the gateways of the tenant that its claim `tenant_claim` names; team,
    project and user are read from the claims of these names.
    """

    issuer: str
    audience: str
    jwks_inline: str
    name: str = "development"
    tenant_claim: str = "tenant"
    team_claim: str = "team"
    project_claim: str = "project"
    user_claim: str = "sub"


@dataclass(frozen=True, slots=True)
class CataloguePrice:
    """A list price in US dollars.

    `since` is RFC 3339, empty for always. `exact` is False where the price depends on more than
    the kind of token and the dearest case is given.
    """

    since: str
    source: str
    price: Price
    exact: bool = True


Catalogue = Mapping[tuple[str, str], tuple[CataloguePrice, ...]]
"""List prices by (base URL, model), sorted by `since`: what the PriceBooks don't say."""

CATALOGUE_CURRENCY = "USD"


@dataclass(frozen=True, slots=True)
class CompileInput:
    """What is known when one namespace of one tenant is compiled. Any order; no duplicates.

    `gateways` is how many gateway pods would count this tenant's use: namespaces served times
    replicas. `quota_store` is the platform's, for tenants that name none. `claims` are those of
    every Tenant that lists this namespace. `providers`, `routes` and `quotas` are this namespace's
    own. `extra_issuers` are local mode's. `deny_reason` is set while the namespace leaves its
    tenant: every call is refused with it.
    """

    tenant: Tenant
    namespace: str
    gateways: int
    quota_store: QuotaStore | None
    claims: tuple[Claim, ...]
    cluster_providers: tuple[ClusterModelProvider, ...]
    providers: tuple[ModelProvider, ...]
    routes: tuple[ModelRoute, ...]
    quotas: tuple[Quota, ...]
    price_books: tuple[PriceBook, ...]
    catalogue: Catalogue = field(default_factory=dict)
    extra_issuers: tuple[DevelopmentIssuer, ...] = ()
    service_account_issuer: ServiceAccountIssuer | None = None
    deny_reason: str = ""


@dataclass(frozen=True, slots=True)
class CompileResult:
    """The namespace's config, or None where its Tenant is not accepted.

    `conditions` has one `Accepted` for every resource involved; `findings` is the same in parts:
    every refusal and every note, each with its path, message and cure.
    """

    config: TenantConfig | None
    conditions: Mapping[Ref, Condition]
    findings: tuple[Finding, ...]
