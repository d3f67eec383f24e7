"""Messages over a connection: encoded, run as the script, decoded."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from bailiwick_sidecar.quota.messages import Message, Reply
from bailiwick_sidecar.quota.rebuilding import Part
from bailiwick_sidecar.shared.connection import RESTORE, SYNC, StoreConnection
from bailiwick_sidecar.shared.wire import decode, encode, encode_parts

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
    rebuilds: bool = False
    """True where this gateway can say what those used that are gone."""


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
            rebuilds=place.rebuilds,
        )
        return decode(await self._connection.run(SYNC, keys, words), message)

    async def restore(self, parts: Mapping[Part, int], *, loss: str, tenant: bool) -> int | None:
        """How many amounts the store had lost; None where it has lost more since.

        Raises:
            QuotaStoreError: nobody knows how many of them it has taken; say them again.
        """
        await self._connection.connect()
        place, raised = self._place, 0
        for keys, words in encode_parts(
            parts, loss=loss, prefix=place.prefix, namespace=place.namespace, tenant=tenant
        ):
            said, more = await self._connection.run(RESTORE, keys, words)
            if said != b"ok":
                return None
            raised += int(more)
        return raised

    async def close(self) -> None:
        """Give the connection back."""
        await self._connection.close()
