"""What is done to a run's world, and who feels it."""

from enum import Enum
from typing import Final


class FaultKind(Enum):
    """One thing that is done to the gateways or around them."""

    KILL_AGENT = "kill agent"
    KILL_ENVOY = "kill Envoy"
    KILL_BOTH = "kill agent and Envoy"
    KILL_ALL = "kill up, agents and Envoys"
    KILL_PROVIDER = "kill provider"
    PAUSE_AGENT = "pause agent"
    PAUSE_ENVOY = "pause Envoy"
    PAUSE_PROVIDER = "pause provider"
    FILL_DISK = "disk full"
    KILL_FULL = "kill agent while its disk is full"
    LOCK_LEDGER = "ledger locked"
    KILL_STORE = "kill shared store, which returns empty"
    PAUSE_STORE = "pause shared store"
    EMPTY_STORE = "empty shared store"
    KILL_DATABASE = "kill PostgreSQL"
    PAUSE_DATABASE = "pause PostgreSQL"
    KILL_COLLECTOR = "kill collector"
    PAUSE_COLLECTOR = "pause collector"
    CUT_NETWORK = "network to the collector cut"
    STALL_NETWORK = "network to the collector stalled"
    LOSE_ANSWER = "kill collector after its commit, before its answer"
    CUT_ANSWER = "answer of the collector lost on its way"
    PAUSE_API = "pause API server"
    CLOCK_AHEAD = "clock ahead"
    CLOCK_BACK = "clock back"


CLOCKS: Final = (FaultKind.CLOCK_AHEAD, FaultKind.CLOCK_BACK)
STORE: Final = frozenset({FaultKind.KILL_STORE, FaultKind.PAUSE_STORE, FaultKind.EMPTY_STORE})
"""Only where gateways share one."""
CENTRAL: Final = frozenset(
    {
        FaultKind.KILL_DATABASE,
        FaultKind.PAUSE_DATABASE,
        FaultKind.KILL_COLLECTOR,
        FaultKind.PAUSE_COLLECTOR,
        FaultKind.CUT_NETWORK,
        FaultKind.STALL_NETWORK,
        FaultKind.LOSE_ANSWER,
        FaultKind.CUT_ANSWER,
        FaultKind.PAUSE_API,
    }
)
"""Only where rows go to a collector."""
KILLS: Final = frozenset(
    {
        FaultKind.KILL_AGENT,
        FaultKind.KILL_ENVOY,
        FaultKind.KILL_BOTH,
        FaultKind.KILL_ALL,
    }
)
"""After which the time is taken until the gateway serves again."""
_OF_A_GATEWAY: Final = frozenset(
    {
        FaultKind.KILL_AGENT,
        FaultKind.KILL_ENVOY,
        FaultKind.KILL_BOTH,
        FaultKind.PAUSE_AGENT,
        FaultKind.PAUSE_ENVOY,
        FaultKind.FILL_DISK,
        FaultKind.KILL_FULL,
        FaultKind.LOCK_LEDGER,
    }
)


def values(*kinds: FaultKind) -> frozenset[str]:
    """The kinds as evidence names them."""
    return frozenset(kind.value for kind in kinds)


UNFELT: Final = values(*CENTRAL, FaultKind.LOCK_LEDGER)
"""What no caller may notice: rows wait in journals until the ledger takes them."""
OF_A_GATEWAY: Final = values(*_OF_A_GATEWAY)
"""What befalls one gateway, and nobody who calls another."""
ENVOY_DIES: Final = values(FaultKind.KILL_ENVOY, FaultKind.KILL_BOTH, FaultKind.KILL_ALL)
PROVIDER_FAULTS: Final = values(FaultKind.KILL_PROVIDER, FaultKind.PAUSE_PROVIDER)
DISK_FAULTS: Final = values(FaultKind.FILL_DISK, FaultKind.KILL_FULL)
STORE_FAULTS: Final = values(*STORE)
CLOCK_FAULTS: Final = values(*CLOCKS)
DEATHS: Final = values(
    FaultKind.KILL_AGENT,
    FaultKind.KILL_BOTH,
    FaultKind.KILL_ALL,
    FaultKind.KILL_FULL,
    FaultKind.PAUSE_AGENT,
)
"""A gateway that is paused for longer than its share lives is as good as dead to the others."""
