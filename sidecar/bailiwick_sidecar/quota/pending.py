"""Reservations that are open, and the sums over all that ever were."""

from dataclasses import dataclass

from bailiwick_sidecar.quota.plans import Plan

Measures = tuple[int, int, int]
"""Requests (always 1), tokens, and cost in picounits."""


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
