"""A counter of what is under way.

The engine ends each lease at its deadline, so that an attempt nobody reported holds none for ever.
"""
# ruff: noqa: D102 - what these methods promise is said in Counter

from typing import Any

from bailiwick_sidecar.quota.counter import Counter
from bailiwick_sidecar.quota.limits import CompiledLimit, Values
from bailiwick_sidecar.quota.model import AttemptKey
from bailiwick_sidecar.quota.moment import Moment

LEASE_RETRY_MS = 1_000
"""When to come back for a lease. The earliest deadline would be no help: most end far sooner."""


class LeaseCounter(Counter):
    """Counts the attempts under way; the engine ends each lease at its deadline."""

    __slots__ = ("_holders", "_latest")

    def __init__(self, limit: CompiledLimit, values: Values) -> None:
        super().__init__(limit, values)
        self._holders: dict[AttemptKey, int] = {}
        self._latest = 0
        """The latest deadline of all holders; 0: to be found again."""

    def fits(self, predecessor: AttemptKey | None) -> bool:
        """True where one more lease fits, or the predecessor's can be taken over."""
        holders = self._holders
        return (len(holders) < self.cap or predecessor in holders) and self.cap > 0

    def holds(self, key: AttemptKey | None) -> bool:
        """True while the attempt has a lease."""
        return key in self._holders

    def take(self, key: AttemptKey, deadline: int) -> None:
        """Hold a lease until the deadline."""
        if deadline >= self._latest and (self._latest or not self._holders):
            self._latest = deadline
        self._holders[key] = deadline

    def end(self, key: AttemptKey) -> None:
        """End the lease, if there is one."""
        if self._holders.pop(key, 0) >= self._latest:
            self._latest = 0

    def used(self, moment: Moment) -> int:  # noqa: ARG002 - the engine ends leases when they are due
        return len(self._holders)

    def resets_at(self, moment: Moment) -> int:
        if not self._latest:
            self._latest = max(self._holders.values())
        return self._latest - moment.shift

    def fits_from(self, amount: int, moment: Moment) -> int | None:
        if not self.cap:
            return None
        full = len(self._holders) + amount > self.cap
        return moment.wall + LEASE_RETRY_MS if full else moment.wall

    def idle(self, moment: Moment) -> bool:  # noqa: ARG002 - as above
        return not self._holders

    def dump(self) -> Any:
        return [[*key, deadline] for key, deadline in sorted(self._holders.items())]

    def load(self, data: Any) -> None:
        for stream, attempt, deadline in data:
            self.take((stream, attempt), deadline)
