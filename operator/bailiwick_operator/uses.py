"""Limits' use as gateways say it, in statuses, and what came to a threshold. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from bailiwick_operator.api.v1alpha1 import Quota, Tenant
from bailiwick_operator.publish.acks import PERIODIC, PodAck, UseWord

TENANTS_OWN: Final = (80, 100)
"""Percent at which a Tenant's own limits are told of; a Quota says its own."""
MOST: Final = {"Quota": 16, "Tenant": 64}
"""Limits that a status lists; the fullest ones."""


@dataclass(frozen=True, slots=True)
class RollUp:
    """What is known of one resource's limits, and the thresholds (percent) that are told of."""

    uses: tuple[UseWord, ...]
    thresholds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Crossing:
    """A limit of a day or month that came to a threshold (percent)."""

    threshold: int
    note: str


def of_quota(quota: Quota, acks: Iterable[PodAck]) -> RollUp:
    """What the pods of its namespace say of this Quota."""
    return RollUp(uses_of("Quota", quota.metadata.name, acks), quota.spec.thresholds)


def of_tenant(tenant: Tenant, acks: Callable[[str], Mapping[str, PodAck]]) -> RollUp:
    """What the pods of all its namespaces say of the Tenant's own limits."""
    names = [claim.name for claim in tenant.spec.namespaces]
    said = [ack for name in names for ack in acks(name).values()]
    return RollUp(uses_of("Tenant", tenant.metadata.name, said), TENANTS_OWN)


def uses_of(kind: str, name: str, acks: Iterable[PodAck]) -> tuple[UseWord, ...]:
    """Use of this resource's limits by their names in it, the fullest that any pod says."""
    prefix = f"{kind}/{name}#" if kind == "Quota" else f"{kind}/{name}/"
    found: dict[str, UseWord] = {}
    for ack in acks:
        for use in ack.uses:
            if not use.limit.startswith(prefix):
                continue
            before = found.get(use.limit)
            if before is None or use.percent > before.percent:
                found[use.limit] = use
    chosen = sorted(found.values(), key=lambda use: -use.percent)[: MOST[kind]]
    return tuple(sorted(chosen, key=lambda use: use.limit))


def status_of(
    kind: str, name: str, uses: Sequence[UseWord], *, before: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """The status' fields on use; as they were where nothing is known or nothing changed."""
    if not uses:
        return {key: before[key] for key in ("use", "used", "updatedAt") if before.get(key)}
    prefix = len(f"{kind}/{name}/")
    entries = [_entry(use, use.limit[prefix:]) for use in uses]
    if entries == [dict(one) for one in before.get("use", ())]:
        stamp = before.get("updatedAt")
    else:
        stamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    top = max(uses, key=lambda use: use.percent)
    shown = f"{top.percent}% {top.limit[prefix:].rpartition('#')[2]}"
    return {"use": entries, "used": shown, "updatedAt": stamp}


def crossings(
    uses: Sequence[UseWord],
    *,
    thresholds: Collection[int],
    before: Sequence[Mapping[str, Any]],
) -> list[Crossing]:
    """Thresholds that a limit of a day or month has come to since `before` (a status' `use`)."""
    old = {str(one["name"]): int(one.get("percent", 0)) for one in before}
    found = []
    for use in uses:
        if not use.limit.endswith(PERIODIC):
            continue
        was = next((old[name] for name in old if use.limit.endswith(name)), 0)
        passed = [one for one in thresholds if was < one <= use.percent]
        if passed:
            found.append(Crossing(max(passed), _note(use)))
    return found


def _entry(use: UseWord, name: str) -> dict[str, Any]:
    said = {
        "name": name,
        "limit": use.amount,
        "used": use.used,
        "left": use.left,
        "percent": use.percent,
        "resetsAt": use.resets_at,
        "exhaustedAt": use.exhausted_at,
    }
    return {key: value for key, value in said.items() if value not in ("", 0) or key == "left"}


def _note(use: UseWord) -> str:
    end = ""
    if use.percent >= 100:  # noqa: PLR2004 -- percent
        end = f" Calls that need it are refused until {use.resets_at}."
    elif use.exhausted_at:
        end = f" At this rate it is used up on {use.exhausted_at[:10]}."
    return f"{use.limit} is {use.percent} % used: {use.used} of {use.amount}.{end}"
