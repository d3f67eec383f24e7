"""What a translation needs beside the tenant's config: this gateway's own places and keys."""

from collections.abc import Mapping
from dataclasses import dataclass, field

ADMIN_SOCKET = "admin.sock"
BUFFER = 256 * 1024
"""Bytes that Envoy holds for one connection whose other end does not read: a caller who stalls
can't make it hold more of an answer. Bodies of requests have a limit of their own."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """Facts of one gateway process. Paths may be relative to Envoy's working directory."""

    port: int
    """Where callers connect; 0 lets the kernel choose."""
    address: str = "127.0.0.1"
    agent_socket: str = "agent.sock"
    """Unix socket of the admission server; at most 107 bytes (sockaddr_un.sun_path)."""
    grpc_socket: str = "grpc.sock"
    """Unix socket where the agent serves gRPC, for Envoy alone."""
    api_socket: str = "api.sock"
    """Unix socket where Envoy takes the agent's own HTTP calls."""
    usage_log: str = "usage.log"
    """File that Envoy appends records to."""
    jwks: Mapping[str, str] = field(default_factory=dict)
    """Key sets (RFC 7517) by issuer name, of RS256 and ES256 keys only. An issuer without one
    is unknown: its tokens are refused."""
    system_ca: str = "/etc/ssl/certs/ca-certificates.crt"
    """Trust store for providers that name no CA of their own."""
    body_limit: int = 16 * 1024 * 1024
    """Largest request body in bytes; the request script refuses beyond it too."""
