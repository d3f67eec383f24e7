"""Every limit that anybody wrote for this namespace, one rule per figure."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from bailiwick_contract.v1.tenant_config_pb2 import Limit
from bailiwick_operator.api.v1alpha1 import Quota, Tenant
from bailiwick_operator.api.v1alpha1.limits import Limits, Subject
from bailiwick_operator.api.v1alpha1.quota import Mode
from bailiwick_operator.compile.figures import Figure, figures
from bailiwick_operator.compile.findings import Report
from bailiwick_operator.compile.subjects import Scope, check_subject, scope_of

_MODE = {Mode.ENFORCE: Limit.MODE_ENFORCE, Mode.SHADOW: Limit.MODE_SHADOW}


class Origin(Enum):
    """Who wrote a rule, and with it what may take its place."""

    CEILING = auto()
    """The Tenant's limits, its teams' limits, its ceilings: hold always, bound Quotas."""
    DEFAULT = auto()
    """Holds until a Quota names the subject."""
    QUOTA = auto()


@dataclass(frozen=True, slots=True)
class Rule:
    """One figure for one subject. `holder` says in a sentence where a ceiling stands."""

    id: str
    origin: Origin
    mode: Limit.Mode
    scope: Scope
    figure: Figure
    thresholds: tuple[int, ...]
    report: Report
    holder: str = ""

    @property
    def enforced(self) -> bool:
        """True where it refuses, False where it only counts."""
        return self.mode == Limit.MODE_ENFORCE


def tenant_rules(tenant: Tenant, routes: frozenset[str], out: Report) -> list[Rule]:
    """What the platform team wrote; it counts over all namespaces of the tenant.

    `routes` is only looked at where the tenant has one namespace: else a route that is missing
    here may stand in another one.
    """
    spec = tenant.spec
    known = routes if len(spec.namespaces) == 1 else None
    origin = f"Tenant/{tenant.metadata.name}"
    ceiling, default = Origin.CEILING, Origin.DEFAULT
    rules: list[Rule] = []

    def add(kind: Origin, where: str, path: str, subject: Subject, limits: Limits) -> None:
        check_subject(subject, tenant, known, out, path=f"{path}.subject")
        scope = scope_of(subject)
        rules.extend(
            Rule(
                id=f"{origin}/{where}#{figure.name}",
                origin=kind,
                mode=Limit.MODE_ENFORCE,
                scope=scope,
                figure=figure,
                thresholds=(),
                report=out,
                holder=where,
            )
            for figure in figures(limits, out, path=f"{path}.limits")
        )

    if spec.limits is not None:
        add(ceiling, "limits", "spec", Subject(), spec.limits)
    for index, team in enumerate(spec.teams):
        if team.limits is not None:
            subject = Subject(team=team.name)
            add(ceiling, f"teams/{team.name}", f"spec.teams[{index}]", subject, team.limits)
    for index, named in enumerate(spec.ceilings):
        path = f"spec.ceilings[{index}]"
        add(ceiling, f"ceilings/{named.name}", path, named.subject, named.limits)
    for index, named in enumerate(spec.defaults):
        path = f"spec.defaults[{index}]"
        add(default, f"defaults/{named.name}", path, named.subject, named.limits)
    return rules


def quota_rules(
    quota: Quota, tenant: Tenant, routes: frozenset[str], out: Report
) -> Iterator[Rule]:
    """What one Quota says; nothing where it is refused."""
    spec = quota.spec
    check_subject(spec.subject, tenant, routes, out, path="spec.subject")
    found = list(figures(spec.limits, out, path="spec.limits"))
    if out.refused:
        return
    scope = scope_of(spec.subject)
    for figure in found:
        yield Rule(
            id=f"Quota/{quota.metadata.name}#{figure.name}",
            origin=Origin.QUOTA,
            mode=_MODE[spec.mode],
            scope=scope,
            figure=figure,
            thresholds=tuple(sorted(set(spec.thresholds))),
            report=out,
        )
