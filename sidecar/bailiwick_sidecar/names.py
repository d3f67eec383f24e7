"""Opaque codes for routes and backends: what Envoy may see, log and pass on to a provider."""

import hashlib

from bailiwick_contract.bounds import MAX_ATTEMPTS

__all__ = ["MAX_ATTEMPTS", "backend_code", "cluster_name", "route_code"]


def route_code(route: str) -> str:
    """Twelve hex digits that stand for a route and say nothing about it."""
    return hashlib.sha256(route.encode()).hexdigest()[:12]


def backend_code(route: str, backend: str) -> str:
    """Twelve hex digits that stand for one backend of one route and say nothing about it."""
    return hashlib.sha256(f"{route}/{backend}".encode()).hexdigest()[:12]


def cluster_name(code: str) -> str:
    """The Envoy cluster of a backend code."""
    return f"b-{code}"
