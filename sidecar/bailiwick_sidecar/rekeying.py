"""Which calls may be tried once more at the same place after the provider refused their key. Pure.

A route that has nowhere else to go asks again there, and the agent lets the attempt leave only
with another key. A route with a fallback for server errors goes on to it instead: a provider that
refuses the gateway's own key is no less of an outage to the caller.
"""

from collections.abc import Collection, Mapping
from typing import Final

from bailiwick_contract.v1.tenant_config_pb2 import Credential, Fallback, Provider, Route

KEY_REFUSED: Final = (401, 403)
"""Statuses with which a provider refuses a key."""


def keyed(providers: Collection[Provider]) -> frozenset[str]:
    """Names of the providers that want a key."""
    return frozenset(one.name for one in providers if one.credential.type != Credential.TYPE_NONE)


def asks_again(route: Route, wanting: Collection[str]) -> bool:
    """True where each call of the route has one place to go, and a key for it."""
    tries = min(max(route.fallback.max_attempts, 1), len(route.backends))
    return tries == 1 and all(backend.provider in wanting for backend in route.backends)


def goes_on(route: Route, wanting: Collection[str]) -> bool:
    """True where a call goes on to the route's next place after a key was refused."""
    return Fallback.WHEN_SERVER_ERROR in route.fallback.when and any(
        backend.provider in wanting for backend in route.backends
    )


def named(providers: Mapping[str, Provider]) -> frozenset[str]:
    """As `keyed`, of providers by name."""
    return keyed(providers.values())
