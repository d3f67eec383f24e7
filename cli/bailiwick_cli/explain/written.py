"""Where a limit was written: its id in a config as resource and field. Pure."""

from dataclasses import dataclass
from typing import Final

_PERIODS: Final = {"budgetDay": "Day", "budgetMonth": "Month"}


@dataclass(frozen=True, slots=True)
class Written:
    """A resource such as `Tenant acme` and a field path in it."""

    resource: str
    field: str


def written(limit_id: str) -> Written:
    """Where the limit of this id stands (see Limit.id in tenant_config.proto)."""
    place, _, kind = limit_id.partition("#")
    period = _PERIODS.get(kind)
    field = f"budgets[period: {period}].amount" if period else kind
    parts = place.split("/")
    match parts:
        case ["Tenant", name, "limits"]:
            return Written(f"Tenant {name}", f"spec.limits.{field}")
        case ["Tenant", name, group, entry]:
            return Written(f"Tenant {name}", f"spec.{group}[name: {entry}].limits.{field}")
        case [sort, name]:
            return Written(f"{sort} {name}", f"spec.limits.{field}")
        case _:
            return Written(place, field)
