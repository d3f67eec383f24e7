"""When a run's faults were felt, and when its rows were admitted and settled in true time."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bench.faults.evidence import Evidence, Fault, Row, Seen
from bench.faults.injector import STEP_S
from bench.faults.kinds import CLOCK_FAULTS, DISK_FAULTS, OF_A_GATEWAY, STORE_FAULTS, UNFELT

LAG_S: Final = 0.05
"""How long a record may take from Envoy to the counters on a busy machine."""
AFTER_S: Final = 1.5
"""How long after a fault its last effects may be felt: what the gateway tries again it tries each
second."""
SHARED_LAG_S: Final = 0.4
"""Where gateways count together: each reports several times a second."""
SHARED_AFTER_S: Final = 5.0
"""A store that lost something waits until everybody has told it what it used."""
ASKED_S: Final = 8.0
"""Within which a ledger that answers again is asked, and a store that waits for it is whole."""
MINUTE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Times:
    """One row in true time, in seconds since the epoch."""

    admitted: float
    settled_first: float
    """Not before this did the settle count."""
    settled_last: float
    """From here on it did."""


class Timeline:
    """The run's faults and calls, looked up by time."""

    def __init__(self, evidence: Evidence) -> None:
        # What no caller may notice explains nothing.
        self.faults = [fault for fault in evidence.faults if fault.kind not in UNFELT]
        self._of_the_ledger = [fault for fault in evidence.faults if fault.kind in UNFELT]
        self.gateways = evidence.gateways
        shared = evidence.gateways > 1
        self._namespaces = evidence.namespaces
        self._of_one = OF_A_GATEWAY - (DISK_FAULTS if evidence.own_disk else frozenset())
        self.lag = SHARED_LAG_S if shared else LAG_S
        self.after = SHARED_AFTER_S if shared else AFTER_S
        self.seen = {seen.call: seen for seen in evidence.seen}
        self._of_id = {seen.request_id: seen for seen in evidence.seen if seen.request_id}

    def caller(self, row: Row) -> Seen | None:
        """The call that a row is about."""
        number = row["tags"].get("copy") or row["tags"].get("call", "")
        return self.seen.get(int(number)) if number.isdecimal() else None

    def caller_of(self, stream_id: str) -> Seen | None:
        """The call that got this id, where its caller saw it."""
        return self._of_id.get(stream_id)

    def gateway(self, row: Row) -> int:
        """The number of the gateway that wrote the row; -1: none of them."""
        namespace = row["namespace"]
        return self._namespaces.index(namespace) if namespace in self._namespaces else -1

    def befell(self, fault: Fault, gateway: int | None) -> bool:
        """True where the fault was one of this gateway; None: of any."""
        return (
            gateway is None
            or fault.kind not in self._of_one
            or int(fault.target or 0) % self.gateways == gateway
        )

    def felt(self, begin: float, end: float, gateway: int) -> Fault | None:
        """A fault that whoever called this gateway between the two moments may have met."""
        return next(
            (
                fault
                for fault in self.faults
                if self.befell(fault, gateway)
                and fault.began - LAG_S <= end
                and begin
                <= fault.recovered + (SHARED_AFTER_S if fault.kind in STORE_FAULTS else AFTER_S)
            ),
            None,
        )

    def incomplete(self, seen: Seen) -> bool:
        """True where the store had lost its state and the ledger could not tell it since.

        That is so until the ledger was left alone for a while: gateways ask it again and again.
        """
        lost = [fault for fault in self.faults if fault.kind in STORE_FAULTS]
        since = max((fault.began for fault in lost if fault.began <= seen.ended), default=None)
        if since is None:
            return False
        calm = since
        for fault in self._of_the_ledger:
            if fault.recovered < since or fault.began > seen.sent:
                continue
            if fault.began - calm > ASKED_S:
                return False
            calm = max(calm, fault.recovered)
        return seen.sent - calm <= ASKED_S

    def near(
        self,
        begin: float,
        end: float,
        *,
        kinds: Iterable[str] = (),
        after: float | None = None,
        gateway: int | None = None,
    ) -> Fault | None:
        """A fault of this gateway that mattered between the two moments."""
        wanted = frozenset(kinds)
        after = self.after if after is None else after
        return next(
            (
                fault
                for fault in self.faults
                if (not wanted or fault.kind in wanted)
                and self.befell(fault, gateway)
                and fault.began - LAG_S <= end
                and begin <= fault.recovered + after
            ),
            None,
        )

    def stepped(self, at: float) -> bool:
        """True where a clock was moved less than a window's length before."""
        return any(
            fault.began - LAG_S <= at <= fault.began + MINUTE_S + STEP_S
            for fault in self.faults
            if fault.kind in CLOCK_FAULTS
        )

    def times(self, row: Row) -> Times:
        """The row's moments."""
        admitted, ended = moment(row["admitted_at"]), moment(row["ended_at"])
        caller = self.caller(row)
        shift = STEP_S * round((admitted - caller.sent) / STEP_S) if caller else 0.0
        if shift:
            # Its end is Envoy's time or the agent's: it may have been at any time.
            return Times(admitted - shift, admitted - shift, float("inf"))
        last = ended + self.lag
        fault = self.near(ended, ended, after=self.lag)
        if fault is not None:
            last = max(last, fault.recovered + self.after)
        # What never left may have been given back at once.
        return Times(admitted, admitted if row["state"] == "void" else ended, last)


def moment(text: str) -> float:
    """Seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp()
