"""Sends prepared requests over kept connections and takes the time of each."""

import asyncio
import time
from dataclasses import dataclass

import httptools


@dataclass(frozen=True, slots=True)
class Round:
    """What one round gave: seconds of each request, and how many were not 200."""

    seconds: list[float]
    failures: int
    wall: float


class Client(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.done: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        if self.done is not None and not self.done.done():
            self.done.set_result(self.parser.get_status_code())

    def connection_lost(self, _: Exception | None) -> None:
        if self.done is not None and not self.done.done():
            self.done.set_result(0)

    async def send(self, request: bytes) -> int:
        """Status of the answer, after its last byte."""
        self.done = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self.done


def prepared(path: str, token: str, body: bytes) -> bytes:
    """The bytes of one POST."""
    head = (
        f"POST {path} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {token}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def drive(
    port: int, request: bytes, *, count: int, connections: int, rate: float = 0
) -> Round:
    """`count` requests over `connections`; with a rate (per second) each at its own moment."""
    loop = asyncio.get_running_loop()
    clients = [
        (await loop.create_connection(Client, "127.0.0.1", port))[1] for _ in range(connections)
    ]
    seconds: list[float] = []
    failures = 0
    turn = iter(range(count))
    started = time.perf_counter()

    async def work(client: Client) -> None:
        nonlocal failures
        for index in turn:
            due = started + index / rate if rate else time.perf_counter()
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            begin = due if rate else time.perf_counter()
            good = await client.send(request) == 200
            failures += not good
            seconds.append(time.perf_counter() - begin)

    await asyncio.gather(*(work(client) for client in clients))
    wall = time.perf_counter() - started
    for client in clients:
        client.transport.close()
    return Round(seconds=seconds, failures=failures, wall=wall)
