"""How a route's timeouts are realised: which clock of Envoy's runs in which phase of a call."""

import datetime as dt
from dataclasses import dataclass

from bailiwick_contract.v1.tenant_config_pb2 import Timeouts
from bailiwick_sidecar.xds.messages import millis

_REQUEST_MS = 600_000
_FIRST_BYTE_MS = 120_000
_STREAM_IDLE_MS = 120_000
# For admission and for what lies between attempts.
_MARGIN = millis(1000)


@dataclass(frozen=True, slots=True)
class Phases:
    """Durations with the gateway's defaults filled in."""

    request: dt.timedelta
    """The caller's request as a whole, all attempts."""
    attempt: dt.timedelta
    """One attempt from first to last byte."""
    first_byte: dt.timedelta
    """A stream's attempt until its answer begins."""
    stream_idle: dt.timedelta
    """A stream's longest silence after its answer began."""

    def silence(self, attempts: int) -> dt.timedelta:
        """The longest silence that Envoy can keep for a stream of so many attempts.

        Its one clock for an answer's silence (the route's idle timeout) starts with the request,
        runs on over retries, and must not cut an attempt that still may wait for its first byte.
        So it is `stream_idle`, or longer where all attempts together may wait longer than that.
        """
        return max(self.stream_idle, attempts * self.first_byte + _MARGIN)


def phases(timeouts: Timeouts) -> Phases:
    """What the timeouts of a route mean; an attempt never outlasts the request."""
    request = timeouts.request_ms or _REQUEST_MS
    attempt = min(timeouts.backend_request_ms or request, request)
    return Phases(
        request=millis(request),
        attempt=millis(attempt),
        first_byte=millis(min(timeouts.first_byte_ms or _FIRST_BYTE_MS, attempt)),
        stream_idle=millis(timeouts.stream_idle_ms or _STREAM_IDLE_MS),
    )
