"""Reservations that are open, and the sums over all that ever were."""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass

from bailiwick_contract.errors import BailiwickError
from bailiwick_sidecar.quota.model import Amounts, AttemptKey
from bailiwick_sidecar.quota.plans import Plan

LINGER_MS = 3_600_000
"""How long after its deadline a reservation can still be settled."""

Measures = tuple[int, int, int]
"""Requests (always 1), tokens, and cost in picounits."""


class AmountsError(BailiwickError):
    """Negative amounts, which would give quota away."""


def measured(amounts: Amounts) -> Measures:
    """What the amounts take from counters.

    Raises:
        AmountsError: an amount is negative.
    """
    if amounts.tokens < 0 or amounts.cost < 0:
        raise AmountsError(
            f"{amounts.tokens} tokens, {amounts.cost} picounits: amounts are never negative; "
            "check what the provider or the estimate said"
        )
    return 1, amounts.tokens, amounts.cost


class Pending:
    """What one open reservation took, from where, and until when (engine time)."""

    __slots__ = ("deadline", "leased", "measures", "plan", "slots")

    def __init__(
        self, plan: Plan, slots: tuple[int, int, int], measures: Measures, deadline: int
    ) -> None:
        self.plan = plan
        self.slots = slots
        self.measures = measures
        self.deadline = deadline
        self.leased = True


def deadlines(pending: Mapping[AttemptKey, Pending]) -> list[tuple[int, AttemptKey]]:
    """Heap of when something is due of each: the lease's end, then the reservation's own."""
    due = [
        (entry.deadline if entry.leased else entry.deadline + LINGER_MS, key)
        for key, entry in pending.items()
    ]
    heapq.heapify(due)
    return due


@dataclass(slots=True)
class Totals:
    """Tokens since the engine began: reserved = settled + voided + expired + still pending.

    `settled` are tokens that had been reserved, `used` those that took their place; `overshoot`
    (tokens) and `overshoot_cost` (picounits) what was used beyond what was reserved.
    """

    reserved: int = 0
    settled: int = 0
    voided: int = 0
    expired: int = 0
    used: int = 0
    overshoot: int = 0
    overshoot_cost: int = 0

    def settle(self, reserved: Measures, actual: Measures) -> int:
        """Add one settled reservation; returns its overshoot in tokens."""
        self.settled += reserved[1]
        self.used += actual[1]
        over = max(0, actual[1] - reserved[1])
        self.overshoot += over
        self.overshoot_cost += max(0, actual[2] - reserved[2])
        return over
