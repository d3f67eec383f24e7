"""`kubectl bailiwick usage` and `quota`: limits, what is used and left, what is refused now."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bailiwick_cli.cluster.resources import chosen, kinds
from bailiwick_cli.console import new_table, note, show_table
from bailiwick_cli.kubectl import Kubectl

Body = Mapping[str, Any]
FULL: Final = 100
"""Percent."""


def show_usage(kubectl: Kubectl, tenant: str | None) -> Sequence[Body]:
    """Print the Tenants' own limits, and the Quotas of their namespaces; all of them.

    Raises:
        CommandError: there is no such tenant.
    """
    tenants = chosen(kubectl.items(kinds("tenants")), tenant)
    held = {one["name"] for body in tenants for one in body["spec"]["namespaces"]}
    quotas = [
        one
        for one in kubectl.items(kinds("modelquotas"), "--all-namespaces")
        if one["metadata"]["namespace"] in held
    ]
    _show([*tenants, *quotas])
    return [*tenants, *quotas]


def show_quotas(kubectl: Kubectl, namespace: str | None) -> Sequence[Body]:
    """Print the Quotas of a namespace; of the current one where none is named; all of them."""
    where = ("--namespace", namespace) if namespace else ()
    quotas = kubectl.items(kinds("modelquotas"), *where)
    _show(quotas)
    return quotas


def _show(resources: Sequence[Body]) -> None:
    table = new_table(
        "limit", "whose", "used", "of", "left", "%", "whole again (UTC)", "spent on", "now",
        right=("used", "of", "left", "%"),
    )  # fmt: skip
    oldest = ""
    for body in resources:
        status = body.get("status", {})
        oldest = min(filter(None, (oldest, status.get("updatedAt", ""))), default="")
        for use in status.get("use", ()):
            table.add_row(*_row(body, use))
    if not table.row_count:
        note("No use is known: nothing was called yet, or the gateways have said nothing so far.")
        return
    show_table(table)
    note(
        f"Rolled up about once a minute, last at {oldest}; of a limit for each subject it is the"
        " fullest counter. Who used it: the ledger, with --database; by team and model also the"
        " Grafana dashboard. A caller's own figures, to the moment: GET /v1/usage."
    )


def _row(body: Body, use: Body) -> tuple[str, ...]:
    metadata = body["metadata"]
    where = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    percent = int(use.get("percent", 0))
    full = percent >= FULL or use.get("left") in ("0", "0.00")
    shadow = body["spec"].get("mode") == "Shadow"
    return (
        f"{body['kind']} {where}{metadata['name']}: {use['name']}",
        _whose(body),
        use.get("used", "0"),
        use["limit"],
        use.get("left", ""),
        str(percent),
        use.get("resetsAt", "")[:19].replace("T", " "),
        use.get("exhaustedAt", "")[:10],
        ("counts only" if shadow else "refuses") if full else "admits",
    )


def _whose(body: Body) -> str:
    if body["kind"] == "Tenant":
        return "tenant"
    subject = body["spec"].get("subject", {})
    named = [f"{key} {value}" for key, value in subject.items() if key != "each"]
    each = [f"each {one.lower()}" for one in subject.get("each", ())]
    return ", ".join(named + each) or "namespace"
