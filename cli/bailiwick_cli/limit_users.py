"""Who used a limit of a day or month, as the ledger in PostgreSQL has it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from bailiwick_cli.console import new_table, note, show_table
from bailiwick_cli.errors import CommandError
from bailiwick_cli.ledger import named_zone
from bailiwick_sidecar.ledger.filters import Filters
from bailiwick_sidecar.ledger.postgres import Database
from bailiwick_sidecar.ledger.queries import Group, top

BY: Final = ("team", "project", "user", "model")
FIGURES: Final = ("attempts", "tokens", "cost")
MOST: Final = 5
"""Lines for each limit."""
PERIODS: Final = {"tokensPerMonth": "month", "budgetMonth": "month", "budgetDay": "day"}
DIMENSIONS: Final = ("team", "project", "user", "route", "tier")

Body = Mapping[str, Any]


def show_users(
    resources: Sequence[Body],
    *,
    database: str | None,
    tenant: str | None,
    time_zone: str | None = None,
) -> None:
    """Print those who used most of each limit of a day or month since its period began.

    Days begin in `time_zone`, else in that of a Tenant among the resources, else in UTC.

    Raises:
        CommandError: options that do not go together, or a zone that is none.
        LedgerError: the database can't be read by this login, for this tenant.
    """
    if database is None:
        raise CommandError(
            "--tenant and --time-zone say whose ledger is asked and how: name it with --database"
        )
    if tenant is None:
        raise CommandError(
            "the ledger is read for one tenant at a time: name it (quota: --tenant NAME; usage:"
            " NAME alone)"
        )
    ledger = Database(database, tenant)
    zones = [body["spec"]["timeZone"] for body in resources if body["kind"] == "Tenant"]
    zone = named_zone(time_zone or (zones[0] if zones else "UTC"))
    now = datetime.now(UTC)
    table = new_table("limit", *BY, *FIGURES, right=FIGURES)
    for body in resources:
        for use in body.get("status", {}).get("use", ()):
            subject, _, figure = use["name"].rpartition("#")
            if figure not in PERIODS:
                continue
            filters = _filters(body, subject, since=_begin(PERIODS[figure], now, zone))
            found = top((ledger,), by=BY, filters=filters, limit=MOST, zone=zone)
            for group in found:
                table.add_row(_name(body, use["name"]), *_row(group))
    if not table.row_count:
        note("Nobody used a limit of a day or month in this period, as far as the ledger says.")
        return
    show_table(table)
    note(
        f"From the ledger, since the period began; the {MOST} dearest of each limit, settled,"
        " estimated and unknown calls together. What is under way is not among it."
    )


def _filters(body: Body, limits: str, *, since: int) -> Filters:
    """Rows that count towards the limit; `limits` is where on a Tenant it stands."""
    spec = body["spec"]
    namespaces: tuple[str, ...] = ()
    if body["kind"] == "Quota":
        said = spec.get("subject", {})
        namespaces = (str(body["metadata"]["namespace"]),)
    else:
        part, _, name = limits.partition("/")
        listed = spec.get(part, ()) if name else ()
        said = next((one["subject"] for one in listed if one["name"] == name), {})
    fixed = {key: said[key] for key in DIMENSIONS if key in said}
    return Filters(since=since, namespaces=namespaces, **fixed)


def _begin(period: str, now: datetime, zone: tzinfo) -> int:
    """Ms since the epoch at which the day or month of `now` began in the zone."""
    local = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    begun = local.replace(day=1) if period == "month" else local
    return int(begun.timestamp() * 1000)


def _name(body: Body, limit: str) -> str:
    metadata = body["metadata"]
    where = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return f"{body['kind']} {where}{metadata['name']}: {limit}"


def _row(group: Group) -> tuple[str, ...]:
    cost = f"{group.cost} {group.currency}"
    return (*(value for _, value in group.keys), str(group.attempts), str(group.total_tokens), cost)
