"""How a tenant is served: where, by whom, what is kept, and what an outage does."""

from enum import Enum
from typing import Annotated, ClassVar

from msgspec import Meta, field

from bailiwick_operator.api.v1alpha1.base import AS_SET, Model, Rule
from bailiwick_operator.api.v1alpha1.scalars import ItemName, Region


class QuotaStoreOutage(Enum):
    """What happens while the quota store is away."""

    DENY = "Deny"
    ALLOW = "Allow"
    LOCAL_SHARE = "LocalShare"


class LedgerOutage(Enum):
    """What happens while the ledger's database is away."""

    DENY = "Deny"
    ALLOW = "Allow"


class LoggedContent(Enum):
    """How much of a conversation is logged."""

    NONE = "None"


class Residency(Model, frozen=True, kw_only=True):
    """Where data may be processed."""

    regions: Annotated[
        tuple[Region, ...],
        Meta(
            description="Regions of providers that may be used; a backend elsewhere is refused.",
            min_length=1,
            max_length=64,
            extra_json_schema=AS_SET,
        ),
    ]


class OnOutage(Model, frozen=True, kw_only=True):
    """What happens while a dependency is away. The journal always denies."""

    quota_store: Annotated[
        QuotaStoreOutage,
        Meta(
            description=(
                "Deny, Allow, or LocalShare: what was left, divided by the live replicas."
                " Default: Deny."
            )
        ),
    ] = QuotaStoreOutage.DENY
    ledger: Annotated[
        LedgerOutage,
        Meta(
            description=(
                "Allow keeps serving while rows wait in the journal; Deny refuses. Default: Allow."
            )
        ),
    ] = LedgerOutage.ALLOW


class Logging(Model, frozen=True, kw_only=True):
    """What is kept about calls."""

    content: Annotated[
        LoggedContent,
        Meta(description="None: no prompt and no answer is ever logged. Default: None."),
    ] = LoggedContent.NONE
    retention_days: Annotated[
        Annotated[int, Meta(ge=1, le=3650)] | None,
        Meta(
            description=(
                "How long ledger rows are kept, in days; those of this and the last month are "
                "kept in any case. Default: for ever."
            )
        ),
    ] = None


class Autoscaling(Model, frozen=True, kw_only=True):
    """How many gateway pods a namespace has, by their CPU."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.minReplicas) || self.minReplicas <= self.maxReplicas",
            message="autoscaling.minReplicas is above autoscaling.maxReplicas",
            cure="raise maxReplicas, or lower minReplicas",
            field=".minReplicas",
        ),
    )

    min_replicas: Annotated[
        int, Meta(description="Pods per namespace at least. Default: 1.", ge=1, le=100)
    ] = 1
    max_replicas: Annotated[int, Meta(description="Pods per namespace at most.", ge=2, le=100)]
    target_cpu: Annotated[
        int,
        Meta(
            description=(
                "CPU that pods should use on the mean, in percent of what they ask for."
                " Default: 70."
            ),
            ge=1,
            le=1000,
        ),
    ] = field(default=70, name="targetCPUUtilizationPercentage")


class Gateway(Model, frozen=True, kw_only=True):
    """Size of the gateway in each namespace."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.replicas) || !has(self.autoscaling)",
            message="gateway has replicas and autoscaling",
            cure="keep one of them",
            field=".autoscaling",
        ),
    )

    replicas: Annotated[
        int,
        Meta(
            description=(
                "Pods per namespace. More than one needs a shared quota store. Default: 1."
            ),
            ge=1,
            le=100,
        ),
    ] = 1
    autoscaling: Annotated[
        Autoscaling | None,
        Meta(
            description=(
                "A HorizontalPodAutoscaler for each namespace, instead of replicas. Needs a shared"
                " quota store, and a metrics API in the cluster."
            )
        ),
    ] = None

    @property
    def fewest(self) -> int:
        """Pods per namespace at least."""
        return self.autoscaling.min_replicas if self.autoscaling else self.replicas

    @property
    def most(self) -> int:
        """Pods per namespace at most."""
        return self.autoscaling.max_replicas if self.autoscaling else self.replicas


class OwnHost(Model, frozen=True, kw_only=True):
    """A host at which the tenant may have models of its own served."""

    host: Annotated[
        str,
        Meta(
            description="Host of a ModelProvider's baseURL, exactly; with a port where it has one.",
            min_length=1,
            max_length=253,
            pattern=r"^([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$",
        ),
    ]
    region: Annotated[Region, Meta(description="Where the models at this host run.")]


class OwnProviders(Model, frozen=True, kw_only=True):
    """That the tenant may bring providers of its own, and within which bounds."""

    hosts: Annotated[
        tuple[OwnHost, ...],
        Meta(
            description="Hosts that its ModelProviders may name.",
            min_length=1,
            max_length=64,
            extra_json_schema={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["host"],
            },
        ),
    ]
    tier: Annotated[ItemName, Meta(description="Tier of all models of its own providers.")]
    vault_prefix: Annotated[
        str,
        Meta(
            description="Path in Vault below which the keys of its own providers lie.",
            min_length=1,
            max_length=256,
            pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*/?$",
        ),
    ]
    secrets: Annotated[
        bool,
        Meta(
            description=(
                "Whether a ModelProvider may take its key from a Secret in its namespace: then it"
                " is in etcd, and in every backup of it."
            )
        ),
    ] = False
