"""One connection to Redis or Valkey, and its errors in this package's words."""

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final, cast

from redis import exceptions
from redis.asyncio.cluster import RedisCluster

from bailiwick_sidecar.secrets import Absent, Secret
from bailiwick_sidecar.shared.address import Client, StoreAddress
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
AWAY: Final = ("READONLY", "LOADING", "MASTERDOWN", "MISCONF", "OOM", "CLUSTERDOWN", "NOREPLICAS")
"""How the answer of a server begins that can't count at the moment."""
ELSEWHERE: Final = (exceptions.AskError, exceptions.TryAgainError)  # MovedError is an AskError
"""A slot on its way from node to node, for longer than the client follows it."""
FOREIGN: Final = (
    exceptions.RedisError,
    exceptions.RedisClusterException,
    OSError,
    TimeoutError,
)


class StoreConnection:
    """A connection that is made when it is needed; `server` is the run id of who answers."""

    def __init__(
        self,
        address: StoreAddress,
        password: Callable[[], Secret | Absent | None],
        *,
        key: str = "",
    ) -> None:
        """Nothing is connected yet; `password` is asked for at each new connection.

        `key` is any of the tenant's: in a cluster it says which node is meant.
        """
        self.address = address
        self.server = ""
        self.server_ms = 0
        """What the server's clock said when it was connected."""
        self._password = password
        self._key = key
        self._client: Client | None = None
        self._node = ""
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
                said = await client.evalsha(script.sha, len(keys), *keys, words)
            except exceptions.NoScriptError:
                said = await client.eval(script.text, len(keys), *keys, words)
            self._stayed(client)
            return list(said)
        except FOREIGN as error:
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
            with contextlib.suppress(*FOREIGN):
                await client.aclose()
        if isinstance(client, RedisCluster):
            # With a node that is dead the client stops closing where that one fails.
            known = client.nodes_manager
            for node in [*known.nodes_cache.values(), *known.startup_nodes.values()]:
                with contextlib.suppress(*FOREIGN):
                    await node.disconnect()

    async def connect(self) -> None:
        """Connect, unless that is done; `server` is known then.

        Raises:
            QuotaStoreError: as `run`.
        """
        try:
            await self._connected()
        except FOREIGN as error:
            await self.close()
            raise self._meaning(error) from None

    async def _connected(self) -> Client:
        if self._moved:
            self._moved = False
            await self.close()
        if self._client is None:
            self._client = await self._made()
            info = await self._info(self._client)
            self.server = str(info.get("run_id", ""))
            self.server_ms = int(info.get("server_time_usec", 0)) // 1_000
        return self._client

    async def _info(self, client: Client) -> dict[str, Any]:
        """The server that has the tenant's keys, as it says itself."""
        if not isinstance(client, RedisCluster):
            return dict(await client.info("server"))
        await client.initialize()
        self._node = self._home(client)
        node = client.get_node(node_name=self._node)
        return dict(await client.execute_command("INFO", "server", target_nodes=node))

    def _stayed(self, client: Client) -> None:
        """Return where the node has answered that the script was told of.

        Another may know less than that one did: what it granted is not taken, and lapses.

        Raises:
            ConnectionError: the tenant's slot is elsewhere.
        """
        if isinstance(client, RedisCluster) and self._home(client) != self._node:
            raise exceptions.ConnectionError("the tenant's slot has moved")

    def _home(self, client: RedisCluster) -> str:
        """The node of a cluster that has the tenant's slot, as far as the client knows."""
        node = client.get_node_from_key(self._key)
        return "" if node is None else str(node.name)

    async def _made(self) -> Client:
        password = self._password()
        if isinstance(password, Absent):
            raise StoreRefusesError(f"the quota store's password is missing: {password.reason}")
        return await self.address.client(password)

    def _meaning(self, error: Exception) -> Exception:
        where = self.address
        if isinstance(error, exceptions.RedisClusterException) and error.__cause__ is not None:
            error = cast("Exception", error.__cause__)  # of the node that was asked last
        match error:
            case exceptions.AuthenticationError() | exceptions.NoPermissionError():
                return StoreRefusesError(
                    f"the quota store {where} refuses user {self.address.user or 'default'!r}:"
                    " check the password, and the rights with `bailiwick store-acl`"
                )
            case exceptions.ResponseError() if not (
                str(error).startswith(AWAY) or isinstance(error, ELSEWHERE)
            ):
                return StoreConfusedError(
                    f"the quota store {where} cannot run the script ({error}): Redis 6.2"
                    " and Valkey 7.2 can"
                )
            case _:
                return StoreAwayError(
                    f"the quota store {where} does not answer ({type(error).__name__}): see that it"
                    " runs and that the network lets this gateway reach it"
                )
