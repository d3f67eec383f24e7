"""When to ask again. Pure: clock and randomness are parameters."""

from dataclasses import dataclass
from typing import Final

from bailiwick_sidecar.secrets import Secret

JITTER: Final = 0.1
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
RENEW_AT: Final = 2 / 3
FIRST_DEMAND_S: Final = 1.0
LONGEST_DEMAND_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Lease:
    """A Vault token and for how long it holds; `ttl` 0: for ever."""

    token: Secret
    ttl: float
    renewable: bool
    since: float

    def renew_at(self, random: float) -> float:
        """When to renew: at two thirds of its life, up to a tenth sooner (`random` in [0, 1))."""
        if self.ttl <= 0:
            return float("inf")
        return self.since + self.ttl * RENEW_AT * (1 - JITTER * random)

    def holds(self, now: float) -> bool:
        """True where Vault should still take it."""
        return self.ttl <= 0 or now < self.since + self.ttl


def poll_pause(period: float, random: float) -> float:
    """Seconds until the next poll: the period, a tenth more or less, so that gateways spread."""
    return period * (1 - JITTER + 2 * JITTER * random)


def retry_pause(failures: int, period: float, random: float) -> float:
    """Seconds until a Vault that has failed so often in a row (from 1) is asked again.

    Doubles from one second, never beyond a minute nor beyond twice the poll; the upper half is
    drawn, so that many gateways do not come back at once.
    """
    longest = min(FIRST_PAUSE_S * 2.0 ** min(failures - 1, 16), LONGEST_PAUSE_S, 2 * period)
    return longest * (0.5 + 0.5 * random)


@dataclass(frozen=True, slots=True)
class Demand:
    """Bounds how often a provider's refusals may send the gateway to Vault between polls."""

    allowed_at: float = 0.0
    fruitless: int = 0

    def asked(self, now: float, *, fruitful: bool) -> "Demand":
        """After Vault was asked for that; the pause doubles while the key there is the same."""
        if fruitful:
            return Demand()
        pause = min(FIRST_DEMAND_S * 2.0**self.fruitless, LONGEST_DEMAND_S)
        return Demand(now + pause, min(self.fruitless + 1, 16))
