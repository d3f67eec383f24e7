"""How a route's timeouts are realised: which clock of Envoy's runs in which phase of a call."""

import datetime as dt
from dataclasses import dataclass

from bailiwick_contract.clocks import attempt_ms, first_byte_ms, request_ms, silence_ms
from bailiwick_contract.v1.tenant_config_pb2 import Timeouts
from bailiwick_sidecar.xds.messages import millis


@dataclass(frozen=True, slots=True)
class Phases:
    """Durations with the gateway's defaults filled in."""

    timeouts: Timeouts
    request: dt.timedelta
    """The caller's request as a whole, all attempts."""
    attempt: dt.timedelta
    """One attempt from first to last byte."""
    first_byte: dt.timedelta
    """A stream's attempt until its answer begins."""

    def silence(self, attempts: int) -> dt.timedelta:
        """The longest silence that Envoy keeps for a stream of so many attempts."""
        return millis(silence_ms(self.timeouts, attempts))


def phases(timeouts: Timeouts) -> Phases:
    """What the timeouts of a route mean; an attempt never outlasts the request."""
    return Phases(
        timeouts=timeouts,
        request=millis(request_ms(timeouts)),
        attempt=millis(attempt_ms(timeouts)),
        first_byte=millis(first_byte_ms(timeouts)),
    )
