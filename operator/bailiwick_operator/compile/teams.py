"""Teams and projects: who a token may say that he is."""

from collections.abc import Iterable

from bailiwick_contract.v1.tenant_config_pb2 import Project as ProjectConfig
from bailiwick_contract.v1.tenant_config_pb2 import Team as TeamConfig
from bailiwick_operator.api.v1alpha1 import Tenant
from bailiwick_operator.compile.findings import Report
from bailiwick_operator.conditions import Reason

MISSING_TEAM_CURE = "add the team to spec.teams of the Tenant, or correct its name"


def compile_teams(tenant: Tenant, out: Report) -> list[TeamConfig]:
    """The tenant's teams by name; what a token says leads to one team at most."""
    _check_claim_values(tenant, out)
    return [
        TeamConfig(
            name=team.name,
            claim_values=sorted(set(team.claim_values)),
            projects=[
                ProjectConfig(name=project.name, cost_center=project.cost_center or "")
                for project in sorted(team.projects, key=lambda project: project.name)
            ],
            cost_center=team.cost_center or "",
        )
        for team in sorted(tenant.spec.teams, key=lambda team: team.name)
    ]


def team_names(tenant: Tenant) -> frozenset[str]:
    """Names of the tenant's teams."""
    return frozenset(team.name for team in tenant.spec.teams)


def project_names(tenant: Tenant, team: str | None) -> frozenset[str]:
    """Names of the team's projects; of all teams' where none is given."""
    return frozenset(
        project.name
        for one in tenant.spec.teams
        if team is None or one.name == team
        for project in one.projects
    )


def check_teams(named: Iterable[str], tenant: Tenant, out: Report, *, path: str) -> None:
    """Refuse names of teams that the tenant does not have."""
    known = team_names(tenant)
    for index, name in enumerate(named):
        if name not in known:
            out.refuse(
                f"{path}[{index}]",
                Reason.REF_NOT_FOUND,
                f"there is no team {name} in tenant {tenant.metadata.name}",
                cure=MISSING_TEAM_CURE,
            )


def _check_claim_values(tenant: Tenant, out: Report) -> None:
    owner = {team.name: team.name for team in tenant.spec.teams}
    for number, team in enumerate(tenant.spec.teams):
        for index, value in enumerate(team.claim_values):
            holder = owner.setdefault(value, team.name)
            if holder != team.name:
                out.refuse(
                    f"spec.teams[{number}].claimValues[{index}]",
                    Reason.DUPLICATE,
                    f"{value} already stands for team {holder}: a token could mean either",
                    cure="let each value stand for one team",
                )
