"""One connection to Redis or Valkey, and its errors in this package's words."""

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import redis.asyncio as redis
from redis import exceptions
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from bailiwick_sidecar.secrets import Absent, Secret
from bailiwick_sidecar.shared.errors import (
    StoreAwayError,
    StoreConfusedError,
    StoreRefusesError,
)


@dataclass(frozen=True, slots=True)
class Script:
    """A script, and what the store knows it by."""

    text: str
    sha: str

    @classmethod
    def named(cls, name: str) -> "Script":
        """That of a file beside this one."""
        text = (resources.files(__package__) / f"{name}.lua").read_text()
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


SYNC: Final = Script.named("sync")
RESTORE: Final = Script.named("restore")
TIMEOUT: Final = 1.0
"""Seconds; less than the store keeps a share that nobody confirms."""
AWAY: Final = ("READONLY", "LOADING", "MASTERDOWN", "MISCONF", "OOM", "CLUSTERDOWN", "NOREPLICAS")
"""How the answer of a server begins that can't count at the moment."""


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """Where the store is. `ca` is PEM; empty: the system's trust store."""

    host: str
    port: int
    tls: bool = False
    ca: str = ""
    user: str = ""


class StoreConnection:
    """A connection that is made when it is needed; `server` is the run id of who answers."""

    def __init__(
        self, address: StoreAddress, password: Callable[[], Secret | Absent | None]
    ) -> None:
        """Nothing is connected yet; `password` is asked for at each new connection."""
        self.address = address
        self.server = ""
        self.server_ms = 0
        """What the server's clock said when it was connected."""
        self._password = password
        self._client: redis.Redis | None = None
        self._moved = False

    async def run(self, script: Script, keys: Sequence[str], words: str) -> list[Any]:
        """The script's reply.

        Raises:
            StoreAwayError: it does not answer, or cannot count now.
            StoreRefusesError: password or rights are wrong.
            StoreConfusedError: it cannot run the script.
        """
        try:
            client = await self._connected()
            try:
                return list(await client.evalsha(script.sha, len(keys), *keys, words))
            except exceptions.NoScriptError:
                return list(await client.eval(script.text, len(keys), *keys, words))
        except (exceptions.RedisError, OSError, TimeoutError) as error:
            await self.close()
            raise self._meaning(error) from None
        except BaseException:
            await self.close()
            raise

    def move(self, address: StoreAddress) -> None:
        """Have the next call go elsewhere."""
        self.address = address
        self._moved = True

    async def close(self) -> None:
        """Give the connection back; the next call makes a new one."""
        client, self._client = self._client, None
        self.server = ""
        if client is not None:
            with contextlib.suppress(exceptions.RedisError, OSError, TimeoutError):
                await client.aclose()

    async def connect(self) -> None:
        """Connect, unless that is done; `server` is known then.

        Raises:
            QuotaStoreError: as `run`.
        """
        try:
            await self._connected()
        except (exceptions.RedisError, OSError, TimeoutError) as error:
            await self.close()
            raise self._meaning(error) from None

    async def _connected(self) -> redis.Redis:
        if self._moved:
            self._moved = False
            await self.close()
        if self._client is None:
            self._client = self._made()
            info = await self._client.info("server")
            self.server = str(info.get("run_id", ""))
            self.server_ms = int(info.get("server_time_usec", 0)) // 1_000
        return self._client

    def _made(self) -> redis.Redis:
        where = self.address
        password = self._password()
        if isinstance(password, Absent):
            raise StoreRefusesError(f"the quota store's password is missing: {password.reason}")
        trust: dict[str, Any] = {}
        if where.tls:
            trust = {"ssl": True, "ssl_ca_data": where.ca or None}
        return redis.Redis(
            host=where.host,
            port=where.port,
            username=where.user or None,
            password=None if password is None else password.reveal(),
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
            retry=Retry(NoBackoff(), 0),
            single_connection_client=True,
            protocol=2,
            driver_info=None,  # it would say CLIENT SETINFO, which a tenant's user may not
            **trust,
        )

    def _meaning(self, error: Exception) -> Exception:
        where = f"{self.address.host}:{self.address.port}"
        match error:
            case exceptions.AuthenticationError() | exceptions.NoPermissionError():
                return StoreRefusesError(
                    f"the quota store {where} refuses user {self.address.user or 'default'!r}:"
                    " check the password, and the rights with `bailiwick store-acl`"
                )
            case exceptions.ResponseError() if not str(error).startswith(AWAY):
                return StoreConfusedError(
                    f"the quota store {where} cannot run the script ({error}): Redis 6.2"
                    " and Valkey 7.2 can"
                )
            case _:
                return StoreAwayError(
                    f"the quota store {where} does not answer ({type(error).__name__}): see that it"
                    " runs and that the network lets this gateway reach it"
                )
