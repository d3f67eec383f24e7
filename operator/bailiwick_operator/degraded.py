"""What a tenant's gateways say of the store they count in and of their ledger. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from bailiwick_operator.conditions import Condition, Reason, Status
from bailiwick_operator.publish.acks import DependencyWord, PodAck

_REASONS: Final = {
    ("quota-store", "Unreachable"): Reason.QUOTA_STORE_UNREACHABLE,
    ("quota-store", "Refused"): Reason.QUOTA_STORE_REFUSED,
    ("quota-store", "Incomplete"): Reason.QUOTA_STORE_INCOMPLETE,
    ("ledger", "Failing"): Reason.LEDGER_FAILING,
}
"""Worst first: without a store calls may be refused, rows without a ledger wait in the journal.
What a pod makes up is not taken over."""


@dataclass(frozen=True, slots=True)
class _Away:
    reason: Reason
    namespace: str
    word: DependencyWord
    pod: str


def with_dependencies(
    keys: Condition, acks: Mapping[str, Iterable[PodAck]], *, now: datetime
) -> Condition:
    """`Degraded` of the Tenant: what its gateways depend on, then what `keys` says.

    Each dependency is told once for each namespace, by the pod that misses it for longest.
    """
    found: dict[tuple[Reason, str], _Away] = {}
    for namespace, words in acks.items():
        for ack in words:
            for word in ack.away:
                reason = _REASONS.get((word.dependency, word.reason))
                if reason is None:
                    continue
                mine = _Away(reason, namespace, word, ack.pod)
                other = found.setdefault((reason, namespace), mine)
                if (word.since, ack.pod) < (other.word.since, other.pod):
                    found[reason, namespace] = mine
    if not found:
        return keys
    order = list(_REASONS.values())
    ranked = sorted(found.values(), key=lambda one: (order.index(one.reason), one.namespace))
    lines = [
        f"namespace {one.namespace}: {one.word.message} (since {one.word.since}, says {one.pod})"
        for one in ranked
    ]
    more = [keys.message] if keys.status is Status.TRUE else []
    return replace(
        keys,
        status=Status.TRUE,
        reason=ranked[0].reason,
        message=" ".join(["; ".join(lines) + ".", *more]),
        last_transition_time=now,
    )
