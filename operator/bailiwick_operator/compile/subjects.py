"""Subjects of limits: what they name, and how one relates to another."""

from dataclasses import dataclass

from bailiwick_contract.v1 import tenant_config_pb2 as wire
from bailiwick_operator.api.v1alpha1 import Tenant
from bailiwick_operator.api.v1alpha1.limits import Dimension, Subject
from bailiwick_operator.compile.findings import Ref, Report
from bailiwick_operator.compile.teams import (
    MISSING_TEAM_CURE,
    project_names,
    team_names,
)
from bailiwick_operator.conditions import Reason

_DIMENSIONS = {
    "team": (Dimension.TEAM, wire.DIMENSION_TEAM),
    "project": (Dimension.PROJECT, wire.DIMENSION_PROJECT),
    "user": (Dimension.USER, wire.DIMENSION_USER),
    "route": (Dimension.ROUTE, wire.DIMENSION_ROUTE),
    "tier": (Dimension.TIER, wire.DIMENSION_TIER),
}
_NAME = {dimension: name for name, (dimension, _) in _DIMENSIONS.items()}


@dataclass(frozen=True, slots=True)
class Scope:
    """A subject in a form to compare: the dimensions that are fixed, and those in `each`.

    `fixed` is sorted by dimension; names are those of the resources (`team`, `user`, …).
    """

    fixed: tuple[tuple[str, str], ...]
    each: frozenset[str]

    @property
    def dimensions(self) -> frozenset[str]:
        """Every dimension that it speaks of."""
        return self.each.union(name for name, _ in self.fixed)

    def contains(self, other: "Scope") -> bool:
        """True where all that one counter of `other` counts lies within one counter of this."""
        return set(self.fixed) <= set(other.fixed) and self.each <= other.dimensions

    def is_named_by(self, other: "Scope") -> bool:
        """True where `other` says of named ones what this says of each.

        That is: the same dimensions, fewer of them in `each`, the same values in those that are
        fixed here.
        """
        return (
            other.each < self.each
            and self.dimensions == other.dimensions
            and set(self.fixed) <= set(other.fixed)
        )

    def message(self) -> wire.Subject:
        """The fixed dimensions as the contract has them."""
        return wire.Subject(**dict(self.fixed))

    def each_message(self) -> list[wire.Dimension]:
        """The dimensions in `each` as the contract has them, sorted."""
        return sorted(_DIMENSIONS[name][1] for name in self.each)


def scope_of(subject: Subject) -> Scope:
    """The subject in a form to compare."""
    values = {name: getattr(subject, name) for name in sorted(_DIMENSIONS)}
    return Scope(
        fixed=tuple((name, value) for name, value in values.items() if value),
        each=frozenset(_NAME[dimension] for dimension in subject.each),
    )


def check_subject(
    subject: Subject,
    tenant: Tenant,
    routes: frozenset[str] | None,
    out: Report,
    *,
    path: str,
) -> None:
    """Refuse a subject that matches nothing; `routes` is None where any name may exist."""
    if any(getattr(subject, _NAME[dimension]) for dimension in subject.each):
        out.refuse(
            f"{path}.each",
            Reason.INVALID,
            "a dimension is either named or in each, not both",
            cure="drop the dimension from each, or its name from the subject",
        )
    if subject.team and subject.team not in team_names(tenant):
        out.refuse(
            f"{path}.team",
            Reason.REF_NOT_FOUND,
            f"there is no team {subject.team} in tenant {tenant.metadata.name}",
            cure=MISSING_TEAM_CURE,
        )
    elif subject.project and subject.project not in project_names(tenant, subject.team):
        where = f"team {subject.team}" if subject.team else f"tenant {tenant.metadata.name}"
        out.refuse(
            f"{path}.project",
            Reason.REF_NOT_FOUND,
            f"there is no project {subject.project} in {where}",
            cure="add the project to the team on the Tenant, or correct its name",
        )
    if subject.tier and subject.tier not in {one.tier for one in tenant.spec.model_access}:
        out.refuse(
            f"{path}.tier",
            Reason.REF_NOT_FOUND,
            f"tier {subject.tier} is not open to tenant {tenant.metadata.name}",
            cure="name a tier of modelAccess of the Tenant",
        )
    if routes is not None and subject.route and subject.route not in routes:
        out.refuse(
            f"{path}.route",
            Reason.REF_NOT_FOUND,
            f"there is no ModelRoute {subject.route} in this namespace",
            cure="name a ModelRoute (not one of its aliases), or remove the limit",
            about=Ref("ModelRoute", out.resource.namespace, subject.route),
        )
