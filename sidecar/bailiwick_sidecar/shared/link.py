"""Messages over a connection: encoded, run as the script, decoded."""

import secrets
from dataclasses import dataclass

from bailiwick_sidecar.quota.lessee import Message, Reply
from bailiwick_sidecar.shared.connection import StoreConnection
from bailiwick_sidecar.shared.wire import decode, encode

GRACE_MS = 1_500
"""How long a store that may have lost something collects it from the replicas before it grants:
as long as each of them speaks at least, and half as long again."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one gateway's counters are. `prefix` is the tenant's, with its braces."""

    prefix: str
    namespace: str
    replica: str
    grace_ms: int = GRACE_MS


class RedisLink:
    """One replica's conversation with the store."""

    def __init__(self, connection: StoreConnection, place: Place) -> None:
        self._connection = connection
        self._place = place
        self._fresh_epoch = secrets.token_hex(8)

    async def exchange(self, message: Message) -> Reply | int:
        """The reply, or the newest message's number where this one comes too late.

        Raises:
            QuotaStoreError: there is none.
        """
        await self._connection.connect()
        place = self._place
        keys, words = encode(
            message,
            prefix=place.prefix,
            namespace=place.namespace,
            replica=place.replica,
            server=self._connection.server,
            fresh_epoch=self._fresh_epoch,
            grace_ms=place.grace_ms,
        )
        return decode(await self._connection.run(keys, words), message)

    async def close(self) -> None:
        """Give the connection back."""
        await self._connection.close()
