"""Memory: over many requests, and with many streams open."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from gateway.load import drive

SETTLE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Sample:
    """Memory of Envoy and agent in MB after so many requests (or seconds)."""

    after: float
    envoy: float
    agent: float

    @property
    def total(self) -> float:
        """Both."""
        return self.envoy + self.agent


Measure = Callable[[float], Sample]


def over_requests(port: int, request: bytes, measure: Measure, *, count: int) -> list[Sample]:
    """Samples at the start and after each tenth of so many requests."""
    samples = [measure(0)]
    for tenth in range(1, 11):
        done = asyncio.run(drive(port, request, count=count // 10, connections=16))
        if done.failures:
            raise SystemExit(f"{done.failures} requests failed: the figures would be wrong")
        samples.append(measure(tenth * (count // 10)))
    return samples


async def with_streams(
    port: int, request: bytes, measure: Measure, *, count: int, seconds: int
) -> list[Sample]:
    """Samples with none open, then each fifth of these seconds with `count` open, then after."""
    samples = [measure(0)]
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(count):
        _, client = await loop.create_connection(Listener, "127.0.0.1", port)
        client.transport.write(request)
        clients.append(client)
    await asyncio.gather(*(client.begun for client in clients))
    for fifth in range(1, 6):
        await asyncio.sleep(seconds / 5)
        samples.append(measure(fifth * seconds / 5))
    if gone := sum(client.gone for client in clients):
        raise SystemExit(f"{gone} of {count} streams were cut: the figures would be wrong")
    for client in clients:
        client.transport.close()
    await asyncio.sleep(SETTLE_SECONDS)
    samples.append(measure(seconds + SETTLE_SECONDS))
    return samples


class Listener(asyncio.Protocol):
    """A caller that listens to one stream."""

    def __init__(self) -> None:
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.begun.done():
            return
        if not data.startswith(b"HTTP/1.1 200"):
            self.begun.set_exception(SystemExit(f"no stream: {data[:200]!r}"))
        else:
            self.begun.set_result(None)

    def connection_lost(self, _: Exception | None) -> None:
        self.gone = True
        if not self.begun.done():
            self.begun.set_exception(SystemExit("a stream was cut before it began"))
