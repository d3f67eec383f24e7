"""`kubectl bailiwick status`: how tenants stand, and what keeps something from serving."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.table import Table

from bailiwick_cli.cluster.resources import PLATFORM, TENANT_TEAMS, chosen, kinds
from bailiwick_cli.console import new_table, note, out, show_table
from bailiwick_cli.errors import FAILED
from bailiwick_cli.kubectl import Kubectl

GOOD: Final = {
    "Accepted": "True",
    "Programmed": "True",
    "Degraded": "False",
    "VaultGranted": "True",
}
Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Trouble:
    """One condition that is not as it should be."""

    resource: str
    condition: str
    reason: str
    message: str


def show_status(kubectl: Kubectl, tenant: str | None) -> int:
    """Print it; 0 where everything serves, else 1.

    Raises:
        CommandError: there is no such tenant.
    """
    platform = kubectl.items(kinds(PLATFORM))
    tenants = chosen([one for one in platform if one["kind"] == "Tenant"], tenant)
    if not tenants:
        note("No Tenant is there yet: apply one, as in examples/acme/platform.yaml.")
        return 0
    held = {name for one in tenants for name in _namespaces(one)}
    written = [
        one
        for one in kubectl.items(kinds(TENANT_TEAMS), "--all-namespaces")
        if tenant is None or one["metadata"]["namespace"] in held
    ]
    show_table(_tenants(tenants))
    out().print()
    show_table(_held(tenants))
    shared = [one for one in platform if one["kind"] != "Tenant"]
    troubles = list(find_troubles([*tenants, *shared, *written]))
    for one in troubles:
        out().print(f"\n{one.resource}: {one.condition} {one.reason}\n  {one.message}")
    return FAILED if troubles else 0


def find_troubles(resources: Sequence[Body]) -> Iterator[Trouble]:
    """Every condition that is not as it should be, and resources that nobody has judged yet."""
    for body in resources:
        metadata = body["metadata"]
        where = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
        name = f"{body['kind']} {where}{metadata['name']}"
        found = _conditions(body)
        if "Accepted" not in found:
            yield Trouble(
                name, "Accepted", "Unknown", "The operator has said nothing of it yet: does it run?"
            )
        for kind, good in GOOD.items():
            one = found.get(kind)
            if one is None or one["status"] == good:
                continue
            if kind == "Programmed" and found.get("Accepted", {}).get("status") == "False":
                continue  # follows from what is said of Accepted
            old = one.get("observedGeneration", 0) < metadata.get("generation", 0)
            more = " (of an earlier generation)" if old else ""
            yield Trouble(name, f"{kind}={one['status']}", one["reason"], one["message"] + more)


def _tenants(tenants: Sequence[Body]) -> Table:
    table = new_table("tenant", "accepted", "programmed", "gateways", "fullest limit")
    for body in tenants:
        found, status = _conditions(body), body.get("status", {})
        table.add_row(
            _name(body),
            found.get("Accepted", {}).get("status", "Unknown"),
            found.get("Programmed", {}).get("status", "Unknown"),
            status.get("ready", "") or "-",
            status.get("used", "") or "-",
        )
    return table


def _held(tenants: Sequence[Body]) -> Table:
    table = new_table("namespace", "tenant", "held", "serving", "config", "what is missing")
    for body in tenants:
        said = {one["name"]: one for one in body.get("status", {}).get("namespaces", ())}
        for name in _namespaces(body):
            one = said.get(name, {})
            table.add_row(
                name,
                _name(body),
                "yes" if one.get("bound") else "no",
                "yes" if one.get("programmed") else "no",
                str(one.get("digest", ""))[:12] or "-",
                str(one.get("message", "")),
            )
    return table


def _conditions(body: Body) -> dict[str, Body]:
    return {one["type"]: one for one in body.get("status", {}).get("conditions", ())}


def _name(body: Body) -> str:
    return str(body["metadata"]["name"])


def _namespaces(tenant: Body) -> list[str]:
    return [one["name"] for one in tenant["spec"]["namespaces"]]
