"""Opaque codes for routes and backends: what Envoy may see, log and pass on to a provider."""

import hashlib

MAX_ATTEMPTS = 5
"""Upper bound on attempts of one request: one plan header and one matcher level each."""


def route_code(route: str) -> str:
    """Twelve hex digits that stand for a route and say nothing about it."""
    return hashlib.sha256(route.encode()).hexdigest()[:12]


def backend_code(route: str, backend: str) -> str:
    """Twelve hex digits that stand for one backend of one route and say nothing about it."""
    return hashlib.sha256(f"{route}/{backend}".encode()).hexdigest()[:12]


def cluster_name(code: str) -> str:
    """The Envoy cluster of a backend code."""
    return f"b-{code}"
