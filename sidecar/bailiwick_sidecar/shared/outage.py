"""That the store is away: since when, why, and what calls are told meanwhile."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from bailiwick_contract.v1.tenant_config_pb2 import OnOutage
from bailiwick_sidecar.keyring import Degraded
from bailiwick_sidecar.shared.errors import QuotaStoreError, StoreAwayError, StoreIncompleteError

FAILURES = 2
"""A store that just restarted is there again at the second attempt, and nobody is refused."""

log = logging.getLogger(__name__)


class Outage:
    """The store's absence as it goes on, and all absences before it. Times in ms."""

    def __init__(self, policy: Callable[[], OnOutage.QuotaStore]) -> None:
        self.since: int | None = None
        self.words = ""
        self.reason = ""
        self._policy = policy
        self._failures = 0
        self._past = 0
        self._alone = False

    @property
    def allows(self) -> bool:
        """True where the tenant lets every call pass meanwhile."""
        return self._policy() == OnOutage.QUOTA_STORE_ALLOW

    @property
    def denies(self) -> bool:
        """True while calls are refused."""
        return self.since is not None and not self._alone

    def failed(self, error: QuotaStoreError, now: int) -> bool:
        """Note a failure; true where the outage begins with it."""
        self._failures += 1
        self.words = str(error)
        match error:
            case StoreAwayError():
                self.reason = "Unreachable"
            case StoreIncompleteError():
                self.reason = "Incomplete"
            case _:
                self.reason = "Refused"
        if self.since is not None or self._failures < FAILURES:
            return False
        self.since = now
        log.error("event=quota_store_away reason=%r", self.words)
        return True

    def stands_in(self, *, met: bool) -> bool:
        """Decide what this outage does; `met`: what was left was seen once, and can be shared."""
        policy = self._policy()
        self._alone = policy == OnOutage.QUOTA_STORE_ALLOW or (
            policy == OnOutage.QUOTA_STORE_LOCAL_SHARE and met
        )
        return self._alone

    def ended(self, now: int) -> None:
        """The store answers again."""
        if self.since is not None:
            self._past += max(0, now - self.since)
            log.info("event=quota_store_back after_ms=%d", now - self.since)
        self.since, self._failures, self._alone, self.words = None, 0, False, ""

    def seconds(self, now: int) -> float:
        """How long the store has been away, all in all."""
        running = max(0, now - self.since) if self.since is not None else 0
        return (self._past + running) / 1000

    def degraded(self) -> tuple[Degraded, ...]:
        """The outage as the agent's status says it."""
        if self.since is None:
            return ()
        since = datetime.fromtimestamp(self.since / 1000, UTC).isoformat(timespec="seconds")
        return (Degraded("quota-store", self.reason, since, self.words),)
