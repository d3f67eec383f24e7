"""Many agents as the operator sees them: each its own TLS connection and token.

`python -m control_plane.agents PODS CA PORT NAME`: a line on standard output each time that all of
them have a stream, and each time that all are cut off.
"""

import asyncio
import contextlib
import json
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import grpc
from google.protobuf.message import Message

from bailiwick_contract.services import CONFIG_STREAM_PATH
from bailiwick_contract.v1.config_stream_pb2 import Ack, ConfigUpdate, TypeState

CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
PAUSE_S = (0.5, 1.5)
"""Before an agent tries again."""


class Crowd:
    """How many have a config and a stream."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._streams = 0
        self.tries = 0

    def opened(self) -> None:
        """One more has its stream."""
        self._streams += 1
        if self._streams == self._size:
            self._say("connected")

    def closed(self) -> None:
        """One less."""
        self._streams -= 1
        if self._streams == 0:
            self._say("alone")

    def _say(self, what: str) -> None:
        print(json.dumps({"event": what, "at": time.time(), "tries": self.tries}), flush=True)


async def agent(crowd: Crowd, *, address: str, name: str, ca: bytes, token: str) -> None:
    """Keep one stream open for ever."""
    word = Ack()
    options = (
        ("grpc.ssl_target_name_override", name),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.initial_reconnect_backoff_ms", 500),
        ("grpc.max_reconnect_backoff_ms", 2000),
    )
    credentials = grpc.ssl_channel_credentials(ca)
    async with grpc.aio.secure_channel(address, credentials, options=options) as channel:
        method = channel.stream_stream(
            CONFIG_STREAM_PATH,
            request_serializer=Ack.SerializeToString,
            response_deserializer=ConfigUpdate.FromString,
        )
        while True:
            crowd.tries += 1
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                word = await _stream(crowd, method, token, word)
            await asyncio.sleep(random.uniform(*PAUSE_S))  # noqa: S311 - spreads load


async def _stream(
    crowd: Crowd,
    method: grpc.aio.StreamStreamMultiCallable[Message, ConfigUpdate],
    token: str,
    word: Ack,
) -> Ack:
    call = method(metadata=(("authorization", f"Bearer {token}"),))
    await call.write(word)
    # Sent once the operator knows whose token this is; raises where it does not.
    await call.initial_metadata()
    if call.done():
        return word
    crowd.opened()
    try:
        while isinstance(update := await call.read(), ConfigUpdate):
            state = TypeState(type_url=CLUSTER, state=TypeState.STATE_ACKED)
            word = Ack(sequence=update.sequence, digest=update.digest, types=[state])
            await call.write(word)
    finally:
        crowd.closed()
    return word


async def connect(tokens: Sequence[str], *, address: str, name: str, trust: bytes) -> None:
    """Keep all of them connected until killed."""
    crowd = Crowd(len(tokens))
    async with asyncio.TaskGroup() as group:
        for token in tokens:
            group.create_task(agent(crowd, address=address, name=name, ca=trust, token=token))


def main() -> None:
    """Run until killed."""
    pods, ca, port, name = sys.argv[1:]
    tokens = [token for _, token in json.loads(Path(pods).read_text())]
    trust = Path(ca).read_bytes()
    asyncio.run(connect(tokens, address=f"127.0.0.1:{port}", name=name, trust=trust))


if __name__ == "__main__":
    main()
