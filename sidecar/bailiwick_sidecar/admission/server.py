"""A small HTTP/1.1 server: for Envoy on a Unix socket, and for metrics on a port.

It does what these two need and nothing else: keep-alive, requests of one connection answered in
their order, every size bounded.
"""

import asyncio
import logging
import select
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import httptools

from bailiwick_sidecar.admission.answer import Answer, Request
from bailiwick_sidecar.admission.errors import RefusedError, refused
from bailiwick_sidecar.unix_socket import SocketInUseError, bound

Handler = Callable[[Request], Awaitable[Answer]]

PHRASES: Final = {200: b"OK", 400: b"Bad Request", 404: b"Not Found", 503: b"Service Unavailable"}

HEADERS: Final = {
    name.encode(): name
    for name in (
        "host", "content-type", "content-length", "x-bw-id", "x-bw-jwt", "x-bw-protocol",
        "x-bw-attempt", "x-bw-backend", "x-envoy-internal", "x-envoy-expected-rq-timeout-ms",
        "x-forwarded-proto",
    )
}  # fmt: skip
"""Names that Envoy sends: most are found here, and need no decoding."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one connection may take."""

    head_bytes: int = 64 * 1024
    """Target and headers of one request: the largest is a token's payload."""
    body_bytes: int = 256 * 1024
    pipelined: int = 32
    """Requests of one connection that wait; beyond, it is not read."""
    connections: int = 4096
    idle_seconds: float = 0
    """Seconds without a request before a connection is closed; 0: never."""


class HttpServer:
    """Serves one handler; what the handler raises becomes an OpenAI-shaped answer.

    Every answer has `headers` beside the handler's own.
    """

    def __init__(
        self, handler: Handler, *, bounds: Bounds | None = None, headers: bytes = b""
    ) -> None:
        self.handler = handler
        self.bounds = bounds or Bounds()
        self.headers = headers
        self.connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def listen_unix(self, path: Path) -> None:
        """Listen at `path`, for this user alone (mode 0600). A socket left by a dead process goes.

        Raises:
            SocketInUseError: a living process listens there.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(
            lambda: Connection(self), sock=bound(path), backlog=1024
        )

    async def listen_tcp(self, host: str, port: int) -> None:
        """Listen at a TCP address; `port` (0: any free one) is then in `self.port`.

        Raises:
            SocketInUseError: the address is taken.
        """
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: Connection(self), host, port)
        except OSError as error:
            raise SocketInUseError(
                f"cannot listen at {host}:{port} ({error.strerror}): choose another port"
            ) from error
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self, grace: float = 1.0) -> None:
        """Stop listening, let answers under way be finished for `grace` seconds, then cut."""
        if self._server is not None:
            self._server.close()
        busy = [task for connection in self.connections if (task := connection.finish())]
        if busy:
            await asyncio.wait(busy, timeout=grace)
        for connection in tuple(self.connections):
            connection.cut()


class Connection(asyncio.Protocol):
    """One connection: reads requests, answers them one after the other."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._bounds = server.bounds
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[Request | RefusedError, bool]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._closing = False
        self._paused = False
        self._poll: select.poll | None = None
        self._begin()

    # --- asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection in, or refuse one too many."""
        # No isinstance: uvloop's transports are of their own kind.
        self._transport = cast("asyncio.Transport", transport)
        if len(self._server.connections) >= self._bounds.connections:
            self._transport.abort()
            return
        self._server.connections.add(self)
        self._wait()

    def connection_lost(self, _: Exception | None) -> None:
        """Forget what still waits: nobody reads the answers."""
        self._server.connections.discard(self)
        self._closing = True
        self._waiting.clear()
        if self._idle is not None:
            self._idle.cancel()

    def data_received(self, data: bytes) -> None:
        """Parse what came; what is no HTTP ends the connection."""
        if self._closing:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            cause = error.__context__
            if not isinstance(cause, RefusedError):
                cause = refused("invalid_json", reason="it is no HTTP/1.1 request")
            self._closing = True
            self._enqueue(cause, keep=False)

    # --- httptools ---

    def _begin(self) -> None:
        self._target = b""
        self._headers: dict[str, str] = {}
        self._head = 0
        self._chunks: list[bytes] = []
        self._size = 0

    def on_url(self, url: bytes) -> None:
        """Part of the target."""
        self._target += url
        self._head += len(url)
        if self._head > self._bounds.head_bytes:
            raise refused("request_too_large", part="head", limit=self._bounds.head_bytes)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._head += len(name) + len(value)
        if self._head > self._bounds.head_bytes:
            raise refused("request_too_large", part="head", limit=self._bounds.head_bytes)
        known = HEADERS.get(name)
        if known is None:
            known = name.decode("latin-1").lower()
        self._headers[known] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """Part of the body."""
        self._size += len(body)
        if self._size > self._bounds.body_bytes:
            raise refused("request_too_large", part="body", limit=self._bounds.body_bytes)
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        """A request is whole: let it be answered in its turn."""
        request = Request(
            method=self._parser.get_method().decode("latin-1"),
            path=self._target.decode("latin-1").partition("?")[0],
            headers=self._headers,
            body=b"".join(self._chunks),
            gone=self.gone,
        )
        keep = self._parser.should_keep_alive()
        self._begin()
        self._enqueue(request, keep=keep)

    # --- answering ---

    def _enqueue(self, request: Request | RefusedError, *, keep: bool) -> None:
        self._waiting.append((request, keep))
        if self._idle is not None:
            self._idle.cancel()
        assert self._transport is not None
        if len(self._waiting) >= self._bounds.pipelined and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._answer_all())

    async def _answer_all(self) -> None:
        try:
            while self._waiting:
                request, keep = self._waiting.popleft()
                if self._paused and self._transport and not self._transport.is_closing():
                    self._paused = False
                    self._transport.resume_reading()
                answer = await self._answer(request)
                keep = keep and not (self._closing and not self._waiting)
                self._write(answer, keep=keep)
                if not keep:
                    self._closing = True
                    self._waiting.clear()
        finally:
            self._task = None
            self._wait()

    async def _answer(self, request: Request | RefusedError) -> Answer:
        if isinstance(request, RefusedError):
            return request.refusal.answer()
        try:
            return await self._server.handler(request)
        except RefusedError as error:
            return error.refusal.answer()
        except Exception:
            log.exception("event=handler_failed path=%s", request.path)
            return refused("gateway_error").refusal.answer()

    def _write(self, answer: Answer, *, keep: bool) -> None:
        assert self._transport is not None
        if self._transport.is_closing():
            return
        lines = "".join([f"{name}: {value}\r\n" for name, value in answer.headers])
        self._transport.write(
            b"HTTP/1.1 %d %b\r\n%b%b%bcontent-length: %d\r\n\r\n%b"
            % (
                answer.status,
                PHRASES.get(answer.status, b"-"),
                lines.encode("latin-1", "replace"),
                self._server.headers,
                b"" if keep else b"connection: close\r\n",
                len(answer.body),
                answer.body,
            )
        )
        if not keep:
            self._transport.close()

    def _wait(self) -> None:
        if self._bounds.idle_seconds and not self._closing:
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(self._bounds.idle_seconds, self.cut)

    # --- closing ---

    def gone(self) -> bool:
        """True where the other end has closed, also if the loop has not come to notice."""
        if self._transport is None or self._transport.is_closing():
            return True
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLRDHUP)
        return bool(self._poll.poll(0))

    def finish(self) -> asyncio.Task[None] | None:
        """Take no further request; the task that still answers, if one does."""
        self._closing = True
        if self._task is None:
            self.cut()
        return self._task

    def cut(self) -> None:
        """Close the connection as it stands."""
        if self._transport is not None:
            self._transport.abort()
