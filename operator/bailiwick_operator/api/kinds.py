"""The kinds of the API group: models, names, scope and what `kubectl get` shows."""

from dataclasses import dataclass
from typing import Any

from bailiwick_operator.api.v1alpha1 import (
    ClusterModelProvider,
    ModelProvider,
    ModelRoute,
    PriceBook,
    Quota,
    Resource,
    Tenant,
    TenantBinding,
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`; a wide one is shown with `-o wide` only.

    Of a path that finds several values the API server shows the first alone, and it shows nothing
    where a field is not set: a default stays unsaid.
    """

    name: str
    path: str
    type: str = "string"
    wide: bool = False

    def document(self) -> dict[str, Any]:
        """The column as a CustomResourceDefinition writes it."""
        column: dict[str, Any] = {"name": self.name, "type": self.type, "jsonPath": self.path}
        return {**column, "priority": 1} if self.wide else column


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of resource."""

    model: type[Resource]
    plural: str
    short: str
    namespaced: bool
    columns: tuple[Column, ...]
    singular: str = ""

    @property
    def name(self) -> str:
        """The kind as `kind:` says it."""
        return self.model.__name__


def _condition(kind: str, field: str = "status") -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{field}'


_ACCEPTED = (
    Column(name="Accepted", path=_condition("Accepted")),
    Column(name="Reason", path=_condition("Accepted", "reason"), wide=True),
)
_PROGRAMMED = Column(name="Programmed", path=_condition("Programmed"))
_AGE = Column(name="Age", path=".metadata.creationTimestamp", type="date")

_ALL = (
    Kind(
        model=Tenant,
        plural="tenants",
        short="lt",
        namespaced=False,
        columns=(
            *_ACCEPTED,
            _PROGRAMMED,
            Column(name="Ready", path=".status.ready"),
            Column(name="Used", path=".status.used"),
            Column(name="Currency", path=".spec.currency", wide=True),
            _AGE,
        ),
    ),
    Kind(
        model=ClusterModelProvider,
        plural="clustermodelproviders",
        short="cmp",
        namespaced=False,
        columns=(
            Column(name="Protocol", path=".spec.protocol"),
            Column(name="Region", path=".spec.region"),
            Column(name="Tier", path=".spec.tier"),
            *_ACCEPTED,
            Column(name="URL", path=".spec.baseURL", wide=True),
            _AGE,
        ),
    ),
    Kind(
        model=ModelProvider,
        plural="modelproviders",
        short="mp",
        namespaced=True,
        columns=(
            Column(name="Protocol", path=".spec.protocol"),
            *_ACCEPTED,
            Column(name="URL", path=".spec.baseURL", wide=True),
            _AGE,
        ),
    ),
    Kind(
        model=ModelRoute,
        plural="modelroutes",
        short="mr",
        namespaced=True,
        columns=(
            Column(name="Aliases", path=".spec.aliases"),
            *_ACCEPTED,
            _PROGRAMMED,
            Column(name="First model", path=".spec.backends[0].model", wide=True),
            _AGE,
        ),
    ),
    Kind(
        model=Quota,
        plural="modelquotas",
        singular="modelquota",
        short="mq",
        namespaced=True,
        columns=(
            Column(name="Team", path=".spec.subject.team"),
            Column(name="User", path=".spec.subject.user", wide=True),
            Column(name="Each", path=".spec.subject.each", wide=True),
            Column(name="Used", path=".status.used"),
            Column(name="Mode", path=".spec.mode", wide=True),
            *_ACCEPTED,
            _PROGRAMMED,
            _AGE,
        ),
    ),
    Kind(
        model=PriceBook,
        plural="pricebooks",
        short="pb",
        namespaced=False,
        columns=(Column(name="Currency", path=".spec.currency"), *_ACCEPTED, _AGE),
    ),
    Kind(
        model=TenantBinding,
        plural="tenantbindings",
        short="tb",
        namespaced=True,
        columns=(
            Column(name="Tenant", path=".spec.tenant"),
            Column(
                name="Leaving",
                path=r".metadata.annotations.bailiwick\.dev/leaving-since",
                type="date",
            ),
            _AGE,
        ),
    ),
)

KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}
"""Every kind of the group by its name."""
