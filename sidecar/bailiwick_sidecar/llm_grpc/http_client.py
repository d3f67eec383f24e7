"""HTTP calls to this gateway's own Envoy, over its Unix socket.

Callbacks instead of futures: a streamed piece goes from Envoy to the caller without a task in
between. One connection carries one call at a time (HTTP/1.1); free ones wait in a pool.
"""

import asyncio
from collections.abc import Mapping
from typing import Final, Protocol, cast

import httptools

IDLE_KEPT: Final = 256
"""Free connections that are kept."""


class Receiver(Protocol):
    """Gets an answer as it comes. One of `complete` and `lost` is the last that is called."""

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """Status and headers, names in lower case."""
        ...

    def body(self, data: bytes) -> None:
        """Part of the body."""
        ...

    def complete(self) -> None:
        """The answer is whole."""
        ...

    def lost(self) -> None:
        """Envoy can't be reached, or broke the answer off."""
        ...


class Exchange:
    """One call under way."""

    __slots__ = ("receiver", "wire")

    def __init__(self, receiver: Receiver) -> None:
        self.receiver: Receiver | None = receiver
        self.wire: Wire | None = None

    def cancel(self) -> None:
        """End it: Envoy sees its caller leave. Nothing is called any more."""
        self.receiver = None
        if self.wire is not None:
            self.wire.abort()

    def flow(self, *, ready: bool) -> None:
        """Read on, or no further until told so."""
        if self.wire is not None:
            self.wire.flow(ready=ready)


class EnvoyClient:
    """Calls Envoy at a Unix socket."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._free: list[Wire] = []
        self._connecting: set[asyncio.Task[None]] = set()

    def send(self, request: bytes, receiver: Receiver) -> Exchange:
        """Send this request (head and body as they travel) and give the answer to `receiver`."""
        exchange = Exchange(receiver)
        while self._free:
            wire = self._free.pop()
            if wire.usable:
                wire.begin(request, exchange)
                return exchange
        task = asyncio.get_running_loop().create_task(self._connect(request, exchange))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return exchange

    async def _connect(self, request: bytes, exchange: Exchange) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, wire = await loop.create_unix_connection(lambda: Wire(self), self._path)
        except OSError:
            if exchange.receiver is not None:
                exchange.receiver.lost()
            return
        if exchange.receiver is None:
            self.free(wire)
        else:
            wire.begin(request, exchange)

    def free(self, wire: "Wire") -> None:
        """Keep the connection for the next call."""
        if len(self._free) < IDLE_KEPT:
            self._free.append(wire)
        else:
            wire.abort()

    def forget(self, wire: "Wire") -> None:
        """The connection is gone."""
        if wire in self._free:
            self._free.remove(wire)

    async def close(self) -> None:
        """Give up what is being connected and close what is free."""
        for task in self._connecting:
            task.cancel()
        for wire in tuple(self._free):
            wire.abort()
        await asyncio.sleep(0)


class Wire(asyncio.Protocol):
    """One connection to Envoy."""

    def __init__(self, client: EnvoyClient) -> None:
        self._client = client
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._exchange: Exchange | None = None
        self._headers: dict[str, str] = {}
        self._reading = True

    @property
    def usable(self) -> bool:
        """True where a call may begin."""
        return self._transport is not None and not self._transport.is_closing()

    def begin(self, request: bytes, exchange: Exchange) -> None:
        """Send the request; its answer is the exchange's."""
        assert self._transport is not None
        self._exchange, exchange.wire = exchange, self
        self._transport.write(request)

    def abort(self) -> None:
        """Close, whatever is under way."""
        self._exchange = None
        if self._transport is not None:
            self._transport.abort()

    def flow(self, *, ready: bool) -> None:
        """Read on, or no further."""
        if ready == self._reading or not self.usable:
            return
        assert self._transport is not None
        self._reading = ready
        if ready:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    # --- asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready."""
        # No isinstance: uvloop's transports are of their own kind.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _: Exception | None) -> None:
        """Envoy is gone, or closed what was free."""
        self._client.forget(self)
        receiver = self._take()
        if receiver is not None:
            receiver.lost()

    def data_received(self, data: bytes) -> None:
        """Part of an answer."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            # Receivers keep their mistakes to themselves, so what came is no HTTP.
            receiver = self._take()
            self.abort()
            if receiver is not None:
                receiver.lost()

    # --- httptools ---

    def on_message_begin(self) -> None:
        """An answer begins."""
        self._headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The answer's head."""
        if (receiver := self._receiver()) is not None:
            receiver.head(self._parser.get_status_code(), self._headers)

    def on_body(self, body: bytes) -> None:
        """Part of the answer's body."""
        if (receiver := self._receiver()) is not None:
            receiver.body(body)

    def on_message_complete(self) -> None:
        """The answer is whole: the connection is free."""
        receiver = self._take()
        if not self._parser.should_keep_alive():
            self.abort()
        elif self.usable:
            self.flow(ready=True)
            self._client.free(self)
        if receiver is not None:
            receiver.complete()

    def _receiver(self) -> Receiver | None:
        return self._exchange.receiver if self._exchange is not None else None

    def _take(self) -> Receiver | None:
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return None
        exchange.wire = None
        return exchange.receiver
