"""Callers who do not read, who leave, and providers who never stop: memory and descriptors stay."""

import itertools
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from dataplane_kit import configs
from dataplane_kit.doubles import allow
from dataplane_kit.gateway import Gateway, wait_for
from dataplane_kit.http1 import Reply
from hostile.wire import SERVED, Http2, Wire, request

SSE = {"content-type": "text/event-stream"}
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"' + b"w" * 8000 + b'"}}]}\n\n'
READERS = 16


def resident(pid: int) -> int:
    """Memory of a process in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) // 1024


class Endless:
    """Events for ever; counts the bytes that the provider could send."""

    def __init__(self) -> None:
        self.sent = 0

    def __iter__(self) -> Iterator[bytes]:
        for _ in itertools.count():
            self.sent += len(EVENT)
            yield EVENT


def stalled(source: Endless) -> bool:
    """True once nothing more is taken from the provider."""
    before = source.sent
    time.sleep(0.5)
    return before > 0 and source.sent == before


@pytest.mark.parametrize("edit", ["1", "hide"])
@pytest.mark.parametrize("protocol", ["http1", "http2"])
def test_memory_does_not_grow_with_readers_who_stall(
    gateway: Gateway, *, edit: str, protocol: str
) -> None:
    """A stream that nobody reads is not taken from the provider any more: 3 MiB each at most."""
    source = Endless()
    gateway.agent.on_admit = lambda _: allow(
        configs.stream(), configs.plan()[:1], x_bw_edit_usage=edit
    )
    gateway.providers[0].on_call = lambda _: Reply(200, SSE, chunks=source)  # type: ignore[arg-type]  # any iterable will do
    assert gateway.envoy is not None
    before = resident(gateway.envoy.pid)

    with ExitStack() as stack:
        for _ in range(READERS):
            wire = stack.enter_context(Wire(gateway.port, window=4096))
            if protocol == "http1":
                wire.send(request(gateway.headers()))
            else:
                client = Http2(wire)
                token = gateway.headers()["authorization"]
                stream = client.open([*SERVED, ("authorization", token)], end=False)
                client.connection.send_data(stream, b'{"model":"a"}', end_stream=True)
                client.flush()
        wait_for(lambda: stalled(source), seconds=30)
        grown = resident(gateway.envoy.pid) - before

    assert grown < 3 * READERS


def test_a_caller_who_leaves_ends_the_attempt(gateway: Gateway) -> None:
    """Before the first byte: the provider's connection is closed, and the record says so."""
    gateway.agent.on_admit = lambda _: allow(configs.stream(), configs.plan()[:1])
    gateway.providers[0].on_call = lambda _: Reply(200, SSE, b"", delay=30.0)
    with Wire(gateway.port) as wire:
        wire.send(request(gateway.headers()))
        wait_for(lambda: gateway.providers[0].received)

    ident = gateway.providers[0].received[0].headers["x-request-id"]
    record = gateway.record("r", ident)
    assert "DC" in record["f"]
    assert (record["u"], record["ev"], record["done"]) == (None, None, None)


def test_a_stream_that_never_ends_is_cut_at_the_routes_limit(gateway: Gateway) -> None:
    """The route's request timeout holds for streams too, and the record has what was passed on."""
    limits = configs.Timeouts(request_ms=1500, first_byte_ms=1000, stream_idle_ms=1000)
    ports = {"a": gateway.providers[0].port, "b": gateway.providers[1].port}
    gateway.apply(configs.config(ports, configs.route(timeouts=limits)))
    gateway.agent.on_admit = lambda _: allow(
        configs.stream(), configs.plan()[:1], x_bw_edit_usage="1"
    )
    slow = itertools.chain.from_iterable(itertools.repeat([EVENT, 0.05]))
    gateway.providers[0].on_call = lambda _: Reply(200, SSE, chunks=slow)  # type: ignore[arg-type]  # as above
    with Wire(gateway.port) as wire:
        wire.socket.settimeout(20)
        wire.send(request(gateway.headers()))
        got = wire.rest()
    gateway.apply(gateway.config)

    ident = gateway.providers[0].received[0].headers["x-request-id"]
    record = gateway.record("r", ident)
    assert not got.endswith(b"0\r\n\r\n")
    assert record["ev"] == got.count(b"data: ")
    assert record["done"] is None


def test_a_stream_that_falls_silent_is_cut_by_the_routes_stream_idle(gateway: Gateway) -> None:
    """After the first byte nothing is tried again: one attempt, and what came by is on record."""
    limits = configs.Timeouts(request_ms=120_000, first_byte_ms=5000, stream_idle_ms=1000)
    a, b = gateway.providers
    ports = {"a": a.port, "b": b.port}
    gateway.apply(configs.config(ports, configs.route(timeouts=limits)))
    gateway.agent.on_admit = lambda _: allow(configs.stream(), configs.plan(), x_bw_edit_usage="1")
    a.on_call = lambda _: Reply(200, SSE, chunks=[EVENT, 90.0, EVENT])
    with Wire(gateway.port) as wire:
        wire.socket.settimeout(60)
        wire.send(request(gateway.headers()))
        got = wire.rest()
    gateway.apply(gateway.config)

    record = gateway.record("r", a.received[0].headers["x-request-id"])
    assert got.count(b"data: ") == 1
    assert not got.endswith(b"0\r\n\r\n")
    assert (len(a.received), len(b.received)) == (1, 0)
    assert (record["ev"], record["done"]) == (1, None)


def test_descriptors_do_not_leak(gateway: Gateway) -> None:
    """Two hundred callers who leave at once leave nothing open."""
    gateway.agent.on_admit = lambda _: allow(configs.stream(), configs.plan()[:1])
    gateway.providers[0].on_call = lambda _: Reply(200, SSE, b"", delay=30.0)
    assert gateway.envoy is not None
    folder = f"/proc/{gateway.envoy.pid}/fd"
    before = len(os.listdir(folder))  # noqa: PTH208 - a count of names

    for _ in range(200):
        with Wire(gateway.port) as wire:
            wire.send(request(gateway.headers()))

    wait_for(lambda: len(os.listdir(folder)) <= before + 5, seconds=20)  # noqa: PTH208 - as above
