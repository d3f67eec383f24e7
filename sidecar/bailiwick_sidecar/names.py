"""Opaque codes for routes and backends: what Envoy may see, log and pass on to a provider."""

import hashlib

from bailiwick_contract.bounds import MAX_ATTEMPTS
from bailiwick_contract.v1.tenant_config_pb2 import Provider

__all__ = ["MAX_ATTEMPTS", "backend_code", "cluster_name", "endpoint_mark", "route_code"]


def route_code(route: str) -> str:
    """Twelve hex digits that stand for a route and say nothing about it."""
    return hashlib.sha256(route.encode()).hexdigest()[:12]


def backend_code(route: str, backend: str) -> str:
    """Twelve hex digits that stand for one backend of one route and say nothing about it."""
    return hashlib.sha256(f"{route}/{backend}".encode()).hexdigest()[:12]


def endpoint_mark(provider: Provider) -> str:
    """Thirty-two hex digits that stand for a provider as it is written: address, trust and key.

    A leaf refuses a credential that comes with another mark than its own. Without that, a key
    chosen under the config before could go to the endpoint that a newer config put in its place.
    """
    return hashlib.sha256(provider.SerializeToString(deterministic=True)).hexdigest()[:32]


def cluster_name(code: str) -> str:
    """The Envoy cluster of a backend code."""
    return f"b-{code}"
