"""Where the store is, and the client that finds it there."""

from dataclasses import dataclass
from typing import Any, Final

import redis.asyncio as redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

from bailiwick_sidecar.secrets import Secret

TIMEOUT: Final = 1.0
"""Seconds; less than the store keeps a share that nobody confirms."""

HostPort = tuple[str, int]
Client = redis.Redis | RedisCluster


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """One server, Sentinels that know the primary by a name, or nodes of a cluster.

    `ca` is PEM; empty: the system's trust store. TLS is for Sentinels as for servers; the user and
    the password are for servers alone.
    """

    host: str = ""
    port: int = 0
    tls: bool = False
    ca: str = ""
    user: str = ""
    sentinels: tuple[HostPort, ...] = ()
    primary: str = ""
    nodes: tuple[HostPort, ...] = ()

    def __str__(self) -> str:
        if self.sentinels:
            return f"{self.primary!r} of the Sentinels {_said(self.sentinels)}"
        return f"cluster {_said(self.nodes)}" if self.nodes else f"{self.host}:{self.port}"

    async def client(self, password: Secret | None) -> Client:
        """A client that goes to the server which takes writes; Sentinels are asked for it now.

        Raises:
            RedisError: no Sentinel knows a primary.
        """
        trust: dict[str, Any] = {}
        if self.tls:
            trust = {"ssl": True, "ssl_ca_data": self.ca or None}
        reach: dict[str, Any] = {
            "socket_timeout": TIMEOUT,
            "socket_connect_timeout": TIMEOUT,
            "protocol": 2,
            "driver_info": None,  # it would say CLIENT SETINFO, which a tenant's user may not
            **trust,
        }
        login: dict[str, Any] = {
            "username": self.user or None,
            "password": None if password is None else password.reveal(),
        }
        if self.nodes:
            return RedisCluster(
                startup_nodes=[ClusterNode(host, port) for host, port in self.nodes],
                require_full_coverage=False,  # a tenant's keys are in one slot
                retry=Retry(NoBackoff(), 0),
                max_connections=2,
                **reach,
                **login,
            )
        host, port = await self._primary(reach) if self.sentinels else (self.host, self.port)
        return redis.Redis(
            host=host,
            port=port,
            single_connection_client=True,
            retry=Retry(NoBackoff(), 0),
            **reach,
            **login,
        )

    async def _primary(self, reach: dict[str, Any]) -> HostPort:
        said = {**reach, "retry": Retry(NoBackoff(), 0), "single_connection_client": True}
        sentinel = Sentinel(self.sentinels, sentinel_kwargs=said)  # type: ignore[no-untyped-call]  # redis-py's own
        try:
            host, port = await sentinel.discover_master(self.primary)
        finally:
            for one in sentinel.sentinels:
                await one.aclose()
        return str(host), int(port)


def _said(places: tuple[HostPort, ...]) -> str:
    return ", ".join(f"{host}:{port}" for host, port in places)
