"""Tenant: who a tenant is and what it may use at most, written by the platform team."""

from enum import Enum
from typing import Annotated, ClassVar

from msgspec import Meta

from bailiwick_operator.api.v1alpha1.base import (
    API_VERSION,
    AS_SET,
    ATOMIC,
    BY_NAME,
    LABEL_NAME,
    ONCE,
    Model,
    ObjectMeta,
    Rule,
    Status,
)
from bailiwick_operator.api.v1alpha1.callers import Callers
from bailiwick_operator.api.v1alpha1.limits import Limits, NamedLimits
from bailiwick_operator.api.v1alpha1.quota_store import QuotaStore
from bailiwick_operator.api.v1alpha1.scalars import (
    CostCenter,
    Currency,
    DnsLabel,
    ItemName,
    TimeZone,
)
from bailiwick_operator.api.v1alpha1.serving import (
    Gateway,
    Logging,
    OnOutage,
    OwnProviders,
    Residency,
)
from bailiwick_operator.api.v1alpha1.use import LimitUse, UpdatedAt, Used


class UnpricedModels(Enum):
    """What happens to a model without a price where money is limited."""

    DENY = "Deny"
    ALLOW = "Allow"


class WorkloadEgress(Enum):
    """Where the tenant's own pods may connect to."""

    UNRESTRICTED = "Unrestricted"
    RESTRICT = "Restrict"


class NamespaceClaim(Model, frozen=True, kw_only=True):
    """A namespace of the tenant; it gets a gateway of its own."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!self.name.startsWith('kube-')",
            message="a kube-* namespace belongs to the cluster and to no tenant",
            cure="name a namespace of the tenant",
            field=".name",
        ),
    )

    name: Annotated[DnsLabel, Meta(description="Name of the namespace.")]


class Project(Model, frozen=True, kw_only=True):
    """A project of a team."""

    name: Annotated[ItemName, Meta(description="Name, unique in the team.")]
    cost_center: Annotated[
        CostCenter | None,
        Meta(description="Written on the project's ledger rows. Default: the team's."),
    ] = None


class Team(Model, frozen=True, kw_only=True):
    """A team of callers."""

    name: Annotated[ItemName, Meta(description="Name, unique in the tenant.")]
    claim_values: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=128)], ...],
        Meta(
            description="What a token may say instead of the name. The name itself always counts.",
            max_length=16,
            extra_json_schema=AS_SET,
        ),
    ] = ()
    projects: Annotated[
        tuple[Project, ...],
        Meta(
            description="Projects of the team. Absent: its callers name none.",
            max_length=64,
            extra_json_schema=BY_NAME,
        ),
    ] = ()
    cost_center: Annotated[
        CostCenter | None,
        Meta(description="Written on ledger rows of callers whose project names none."),
    ] = None
    limits: Annotated[
        Limits | None, Meta(description="What the team may use in all namespaces together.")
    ] = None


class ModelAccess(Model, frozen=True, kw_only=True):
    """A tier of models that is open. A tier that is not listed is closed."""

    tier: Annotated[ItemName, Meta(description="Tier that providers give their models.")]
    teams: Annotated[
        tuple[ItemName, ...],
        Meta(
            description="Teams that may use it. Absent: every team; an empty list is refused.",
            min_length=1,
            max_length=64,
            extra_json_schema=ATOMIC,
            extra={"cel": (ONCE,)},
        ),
    ] = ()


class Vault(Model, frozen=True, kw_only=True):
    """How the tenant's gateways reach Vault."""

    kv_mount: Annotated[
        str,
        Meta(
            description="Mount of the KV version 2 engine. Default: secret.",
            min_length=1,
            max_length=128,
            pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._/-]*$",
        ),
    ] = "secret"
    auth_mount: Annotated[
        str,
        Meta(
            description="Mount of the auth method for service accounts. Default: kubernetes.",
            min_length=1,
            max_length=128,
            pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._/-]*$",
        ),
    ] = "kubernetes"
    role: Annotated[
        str,
        Meta(
            description="Role that the gateway logs in with. Default: bailiwick-<tenant>.",
            min_length=1,
            max_length=128,
            pattern=r"^[A-Za-z0-9._-]+$",
        ),
    ] = ""


class TenantSpec(Model, frozen=True, kw_only=True):
    """What the platform team grants a tenant."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.currency == oldSelf.currency",
            message="currency is immutable: past spend is kept in it",
            cure="keep the currency, or make a new Tenant",
            field=".currency",
        ),
        Rule(
            cel=(
                "!has(self.modelAccess) || self.modelAccess.all(a, !has(a.teams)"
                " || a.teams.all(t, has(self.teams) && self.teams.exists(k, k.name == t)))"
            ),
            message="modelAccess.teams names a team that spec.teams does not list",
            cure="add the team to spec.teams, or correct its name",
            field=".modelAccess",
        ),
        Rule(
            cel=(
                "!has(self.callers) || !has(self.callers.serviceAccounts)"
                " || self.callers.serviceAccounts.bindings.all(b,"
                " self.namespaces.exists(n, n.name == b.__namespace__))"
            ),
            message=(
                "callers.serviceAccounts names a namespace that spec.namespaces does not list"
            ),
            cure="add the namespace to spec.namespaces, or correct its name",
            field=".callers",
        ),
        Rule(
            cel=(
                "!has(self.callers) || !has(self.callers.serviceAccounts)"
                " || self.callers.serviceAccounts.bindings.all(b,"
                " has(self.teams) && self.teams.exists(t, t.name == b.team))"
            ),
            message="callers.serviceAccounts names a team that spec.teams does not list",
            cure="add the team to spec.teams, or correct its name",
            field=".callers",
        ),
        Rule(
            cel=(
                "!has(self.ceilings) || self.ceilings.all(c, !has(c.subject)"
                " || !has(c.subject.team)"
                " || (has(self.teams) && self.teams.exists(t, t.name == c.subject.team)))"
            ),
            message="ceilings names a team that spec.teams does not list",
            cure="add the team to spec.teams, or correct its name",
            field=".ceilings",
        ),
        Rule(
            cel=(
                "!has(self.defaults) || self.defaults.all(c, !has(c.subject)"
                " || !has(c.subject.team)"
                " || (has(self.teams) && self.teams.exists(t, t.name == c.subject.team)))"
            ),
            message="defaults names a team that spec.teams does not list",
            cure="add the team to spec.teams, or correct its name",
            field=".defaults",
        ),
    )

    namespaces: Annotated[
        tuple[NamespaceClaim, ...],
        Meta(
            description=(
                "Namespaces of the tenant. A namespace belongs to one tenant: the oldest claim"
                " wins, the loser says so."
            ),
            min_length=1,
            max_length=64,
            extra_json_schema=BY_NAME,
        ),
    ]
    currency: Annotated[
        Currency,
        Meta(description="Currency in which money is limited and kept, ISO 4217. Immutable."),
    ]
    time_zone: Annotated[
        TimeZone, Meta(description="IANA zone in which days and months begin. Default: UTC.")
    ] = "UTC"
    callers: Annotated[Callers | None, Meta(description="Who may call. Absent: nobody.")] = None
    teams: Annotated[
        tuple[Team, ...],
        Meta(
            description="Teams of the tenant. A caller of a team that is not listed is refused.",
            max_length=64,
            extra_json_schema=BY_NAME,
        ),
    ] = ()
    caller_tags: Annotated[
        tuple[
            Annotated[
                str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$", min_length=1, max_length=63)
            ],
            ...,
        ],
        Meta(
            description="The only tags that a caller may add to his own ledger rows.",
            max_length=16,
            extra_json_schema=AS_SET,
        ),
    ] = ()
    limits: Annotated[
        Limits | None,
        Meta(description="What the tenant may use, all its namespaces together."),
    ] = None
    ceilings: Annotated[
        tuple[NamedLimits, ...],
        Meta(
            description="Limits that hold even where the tenant deletes its Quotas.",
            max_length=64,
            extra_json_schema=BY_NAME,
        ),
    ] = ()
    defaults: Annotated[
        tuple[NamedLimits, ...],
        Meta(
            description="Limits that hold until a Quota names the subject.",
            max_length=64,
            extra_json_schema=BY_NAME,
        ),
    ] = ()
    model_access: Annotated[
        tuple[ModelAccess, ...],
        Meta(
            description="Tiers that are open. A tier that is not listed is closed.",
            max_length=32,
            extra_json_schema={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["tier"],
            },
        ),
    ] = ()
    own_providers: Annotated[
        OwnProviders | None,
        Meta(description="Bounds for the tenant's own ModelProviders. Absent: it may have none."),
    ] = None
    unpriced_models: Annotated[
        UnpricedModels,
        Meta(
            description=(
                "Deny refuses a model without a price where money is limited. Default: Deny."
            )
        ),
    ] = UnpricedModels.DENY
    workload_egress: Annotated[
        WorkloadEgress,
        Meta(
            description=(
                "Restrict lets the pods of the tenant's namespaces connect to DNS and to their"
                " gateway alone, unless another NetworkPolicy allows more. Default: Unrestricted."
            )
        ),
    ] = WorkloadEgress.UNRESTRICTED
    residency: Annotated[
        Residency | None, Meta(description="Where data may be processed. Absent: anywhere.")
    ] = None
    vault: Annotated[Vault | None, Meta(description="How the tenant's gateways reach Vault.")] = (
        None
    )
    on_outage: Annotated[
        OnOutage | None, Meta(description="What happens while a dependency is away.")
    ] = None
    quota_store: Annotated[
        QuotaStore | None,
        Meta(
            description=(
                "Where the tenant's gateways count together. Default: the platform's store, where"
                " it has one."
            )
        ),
    ] = None
    logging: Annotated[Logging | None, Meta(description="What is kept about calls.")] = None
    gateway: Annotated[
        Gateway | None, Meta(description="Size of the gateway in each namespace.")
    ] = None


class NamespaceStatus(Model, frozen=True, kw_only=True):
    """How far a namespace of the tenant is."""

    name: Annotated[DnsLabel, Meta(description="Name of the namespace.")]
    bound: Annotated[bool, Meta(description="Whether the tenant holds the namespace.")]
    programmed: Annotated[
        bool, Meta(description="Whether every ready replica serves the newest configuration.")
    ] = False
    digest: Annotated[
        str, Meta(description="Version of the configuration that is served.", max_length=64)
    ] = ""
    message: Annotated[
        str, Meta(description="What is missing, where something is.", max_length=1024)
    ] = ""


class TenantStatus(Status, frozen=True, kw_only=True):
    """State of the tenant and of each of its namespaces."""

    namespaces: Annotated[
        tuple[NamespaceStatus, ...],
        Meta(
            description="State of each namespace.",
            max_length=64,
            extra_json_schema=BY_NAME,
        ),
    ] = ()
    ready: Annotated[
        str, Meta(description="Gateway pods that are ready, of all: 1/1.", max_length=16)
    ] = ""
    use: Annotated[
        tuple[LimitUse, ...],
        Meta(
            description="Use of its limits, ceilings and defaults; of each: the fullest counter.",
            max_length=64,
            extra_json_schema=BY_NAME,
        ),
    ] = ()
    used: Used = ""
    updated_at: UpdatedAt = None


class Tenant(Model, frozen=True, kw_only=True):
    """Who a tenant is, who its callers are, and what it may use at most."""

    RULES: ClassVar[tuple[Rule, ...]] = (LABEL_NAME,)

    api_version: str = API_VERSION
    kind: str = "Tenant"
    metadata: ObjectMeta
    spec: TenantSpec
    status: TenantStatus | None = None
