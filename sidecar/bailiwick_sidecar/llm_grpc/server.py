"""A gRPC server for Envoy alone: gRPC's messages and trailers on HTTP/1.1.

Envoy speaks HTTP/2 with callers and translates; here a call is one request on one connection, a
message one chunk, trailing metadata the trailers of the chunked body (RFC 9112, section 7.1.2).
A caller that cancels closes the connection. That costs an eighth of what an HTTP/2 server in
Python does, since nothing but llhttp touches the bytes.
"""

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Final, cast

import httptools

from bailiwick_sidecar.llm_grpc.framing import ENCODINGS, Deframer, FramingError
from bailiwick_sidecar.llm_grpc.rpc import Call, Incoming, Methods
from bailiwick_sidecar.llm_grpc.status import Code, Status, Trailers, failure
from bailiwick_sidecar.unix_socket import bound

CONNECTIONS: Final = 4096
HEAD_BYTES: Final = 64 * 1024
TYPES: Final = ("application/grpc", "application/grpc+proto")
HIGH_WATER: Final = 256 * 1024
"""Bytes that wait for a slow caller before the provider is slowed down."""
_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-accept-encoding: "
    + ENCODINGS.encode()
    + b"\r\n"
)

log = logging.getLogger(__name__)


class GrpcServer:
    """Serves methods on a Unix socket."""

    def __init__(self, methods: Methods) -> None:
        self.methods = methods
        self.connections: set[Connection] = set()
        self._server: asyncio.Server | None = None

    async def listen(self, path: Path) -> None:
        """Listen at `path`, for this user alone.

        Raises:
            SocketInUseError: a living process listens there.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(
            lambda: Connection(self), sock=bound(path), backlog=1024
        )

    async def close(self) -> None:
        """Stop listening, and end every call as unavailable."""
        if self._server is not None:
            self._server.close()
        for connection in tuple(self.connections):
            connection.shut()
        await asyncio.sleep(0)


class Connection(asyncio.Protocol):
    """One connection of Envoy's: one call after the other."""

    def __init__(self, server: GrpcServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._call: Call | None = None
        self._deframer = Deframer()
        self._begun = self._ended = False

    # --- asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection in, or refuse one too many."""
        # No isinstance: uvloop's transports are of their own kind.
        self._transport = cast("asyncio.Transport", transport)
        if len(self._server.connections) >= CONNECTIONS:
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        self._server.connections.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        """The caller cancelled, or Envoy closed what it no longer needs."""
        self._server.connections.discard(self)
        call, self._call = self._call, None
        self._ended = True
        if call is not None:
            call.gone()

    def data_received(self, data: bytes) -> None:
        """Parse what came; what is no HTTP ends the connection."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            cause = type(error.__context__).__name__
            log.error("event=grpc_call_failed path=%r error=%s", self._target, cause)  # noqa: TRY400 -- the text of the cause may hold some of the call
            self._close()
        except httptools.HttpParserError as error:
            log.warning("event=grpc_request_malformed error=%r", str(error))
            self._close()

    def pause_writing(self) -> None:
        """The caller is slow."""
        if self._call is not None:
            self._call.writable(ready=False)

    def resume_writing(self) -> None:
        """The caller has caught up."""
        if self._call is not None:
            self._call.writable(ready=True)

    # --- httptools ---

    def on_message_begin(self) -> None:
        """A call begins."""
        self._target = b""
        self._headers: dict[str, str] = {}
        self._size = 0
        self._begun = self._ended = False

    def on_url(self, url: bytes) -> None:
        """Part of the path."""
        self._target += url
        self._grow(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")
        self._grow(len(name) + len(value))

    def on_headers_complete(self) -> None:
        """The call's head is there: find who answers."""
        headers = self._headers
        incoming = Incoming(self._target.decode("latin-1"), headers)
        self._deframer = Deframer(headers.get("grpc-encoding", ""))
        opening = self._server.methods.get(incoming.path)
        if headers.get("content-type") not in TYPES:
            self.end(_unimplemented("Send messages as content-type: application/grpc."))
        elif opening is None:
            self.end(_unimplemented(f"There is no method {incoming.path} here."))
        else:
            self._call = opening(incoming, self)

    def on_body(self, body: bytes) -> None:
        """Part of the caller's messages; what comes behind a call's end belongs to none."""
        if self._call is None:
            return
        try:
            for message in self._deframer.feed(body):
                if self._call is not None:
                    self._call.message(message)
        except FramingError as error:
            reason = "request_too_large" if error.code is Code.RESOURCE_EXHAUSTED else "bad_message"
            self.drop(failure(error.code, reason, f"{str(error).capitalize()}."))

    def on_message_complete(self) -> None:
        """The caller has said everything."""
        if self._call is None:
            return
        if self._deframer.partial:
            self.drop(failure(Code.INTERNAL, "bad_message", "The last message is cut off."))
        else:
            self._call.half_closed()

    def _grow(self, more: int) -> None:
        self._size += more
        if self._size > HEAD_BYTES:
            raise FramingError(Code.RESOURCE_EXHAUSTED, "a call's head is too large")

    # --- the way back ---

    def send(self, frames: bytes) -> None:
        """Messages, framed."""
        if not frames or self._ended or self._transport is None:
            return
        chunk = b"%x\r\n%b\r\n" % (len(frames), frames)
        self._transport.write(chunk if self._begun else self._opening() + chunk)

    def end(self, status: Status, trailers: Trailers = (), *, frames: bytes = b"") -> None:
        """The last messages and the status."""
        if self._ended or self._transport is None:
            return
        last = _lines((*status.trailers(), *trailers))
        if self._begun or frames:
            parts = [] if self._begun else [self._opening()]
            if frames:
                parts.append(b"%x\r\n%b\r\n" % (len(frames), frames))
            parts += (b"0\r\n", last, b"\r\n")
            self._transport.write(b"".join(parts))
        else:
            # Status and metadata in the head, nothing behind: "Trailers-Only".
            self._transport.write(b"".join((_HEAD, last, b"content-length: 0\r\n\r\n")))
        self._call, self._ended = None, True

    def drop(self, status: Status) -> None:
        """End the call for a reason that it does not know of."""
        call, self._call = self._call, None
        if call is not None:
            call.gone()
        self.end(status)

    def shut(self) -> None:
        """End what is under way: this process does."""
        if self._call is not None:
            message = "The gateway is stopping. Try again in a second."
            self.drop(failure(Code.UNAVAILABLE, "gateway_unavailable", message))
        self._close()

    def _opening(self) -> bytes:
        self._begun = True
        return _HEAD + b"transfer-encoding: chunked\r\n\r\n"

    def _close(self) -> None:
        if self._transport is not None:
            with contextlib.suppress(OSError):
                self._transport.close()


def _lines(headers: Trailers) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers).encode("latin-1", "replace")


def _unimplemented(message: str) -> Status:
    return failure(Code.UNIMPLEMENTED, "not_found", message)
