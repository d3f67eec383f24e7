"""Model access: which tiers are open, and to whom."""

from bailiwick_contract.v1.tenant_config_pb2 import ModelAccess as ModelAccessConfig
from bailiwick_operator.api.v1alpha1 import Tenant
from bailiwick_operator.compile.findings import Report
from bailiwick_operator.compile.teams import MISSING_TEAM_CURE, team_names
from bailiwick_operator.conditions import Reason


def compile_access(tenant: Tenant, out: Report) -> list[ModelAccessConfig]:
    """The open tiers by name."""
    known = team_names(tenant)
    seen: set[str] = set()
    for index, access in enumerate(tenant.spec.model_access):
        path = f"spec.modelAccess[{index}]"
        if access.tier in seen:
            out.refuse(
                f"{path}.tier",
                Reason.DUPLICATE,
                f"tier {access.tier} is listed twice",
                cure="name all its teams in one entry",
            )
        seen.add(access.tier)
        for number, team in enumerate(access.teams):
            if team not in known:
                out.refuse(
                    f"{path}.teams[{number}]",
                    Reason.REF_NOT_FOUND,
                    "modelAccess.teams names a team that spec.teams does not list",
                    cure=MISSING_TEAM_CURE,
                )
    return [
        ModelAccessConfig(tier=access.tier, teams=sorted(set(access.teams)))
        for access in sorted(tenant.spec.model_access, key=lambda access: access.tier)
    ]


def teams_with_access(tenant: Tenant, tier: str) -> frozenset[str] | None:
    """Teams that may use the tier; None where it is closed."""
    for access in tenant.spec.model_access:
        if access.tier == tier:
            return frozenset(access.teams) or team_names(tenant)
    return None
