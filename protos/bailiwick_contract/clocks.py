"""What a route's timeouts come to: the gateway keeps them, the compiler says where they differ."""

from typing import Final

from bailiwick_contract.v1.tenant_config_pb2 import Timeouts

REQUEST_MS: Final = 600_000
FIRST_BYTE_MS: Final = 120_000
STREAM_IDLE_MS: Final = 120_000
MARGIN_MS: Final = 1_000
"""For admission and for what lies between attempts."""


def request_ms(timeouts: Timeouts) -> int:
    """The longest a caller's request takes, all attempts together."""
    return timeouts.request_ms or REQUEST_MS


def attempt_ms(timeouts: Timeouts) -> int:
    """The longest one attempt takes; it never outlasts the request."""
    return min(timeouts.backend_request_ms or request_ms(timeouts), request_ms(timeouts))


def first_byte_ms(timeouts: Timeouts) -> int:
    """The longest a stream's attempt waits for its answer to begin."""
    return min(timeouts.first_byte_ms or FIRST_BYTE_MS, attempt_ms(timeouts))


def silence_ms(timeouts: Timeouts, attempts: int) -> int:
    """The longest silence of a stream with so many attempts before it is cut.

    Envoy's one clock for an answer's silence (the route's idle timeout) starts with the request,
    runs on over retries, and must not cut an attempt that may still wait for its first byte. So
    it is `stream_idle_ms`, or longer where all attempts together may wait longer than that.
    """
    wished = timeouts.stream_idle_ms or STREAM_IDLE_MS
    return max(wished, attempts * first_byte_ms(timeouts) + MARGIN_MS)
