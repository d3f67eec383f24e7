"""Bytes to the door as they are, and what it answers; HTTP/2 as a hostile client speaks it."""

import contextlib
import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import h2.config
import h2.connection
import h2.events

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
BODY = b'{"model":"a"}'
SERVED = [
    (":method", "POST"),
    (":path", "/v1/chat/completions"),
    (":scheme", "http"),
    (":authority", "x"),
    ("content-type", "application/json"),
]


class Wire:
    """One connection to the door."""

    def __init__(self, port: int, *, window: int | None = None) -> None:
        self.socket = socket.socket()
        if window is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.socket.settimeout(4)
        self.socket.connect(("127.0.0.1", port))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Write all; what the door does not take any more is not an error."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def until(self, enough: Callable[[bytes], bool]) -> bytes:
        """What came until it is enough, or until the door closes."""
        got = b""
        while not enough(got):
            try:
                piece = self.socket.recv(65536)
            except (ConnectionResetError, TimeoutError):
                break
            if not piece:
                break
            got += piece
        return got

    def rest(self) -> bytes:
        """What comes until the door closes."""
        return self.until(lambda _: False)


def request(headers: dict[str, str], body: bytes = BODY, *, head: bytes = HEAD) -> bytes:
    """A call with these headers and a right length."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
    return head + lines + b"content-length: %d\r\n\r\n" % len(body) + body


def answers(got: bytes) -> list[int]:
    """Statuses of the answers in these bytes."""
    return [int(part[:3]) for part in got.split(b"HTTP/1.1 ")[1:]]


class Http2:
    """An HTTP/2 client that may break the rules of its own side."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        config = h2.config.H2Configuration(
            client_side=True,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
            header_encoding="latin-1",
        )
        self.connection = h2.connection.H2Connection(config)
        self.connection.initiate_connection()
        self.flush()

    def flush(self) -> None:
        """Send what is due."""
        self.wire.send(self.connection.data_to_send())

    def open(self, headers: list[tuple[str, str]], *, end: bool) -> int:
        """A new stream."""
        stream = self.connection.get_next_available_stream_id()
        self.connection.send_headers(stream, headers, end_stream=end)
        self.flush()
        return stream

    def events(self, *, seconds: float = 10.0) -> list[h2.events.Event]:
        """The next events; none where the door closed."""
        self.wire.socket.settimeout(seconds)
        try:
            data = self.wire.socket.recv(65536)
        except (TimeoutError, ConnectionResetError):
            return []
        found = self.connection.receive_data(data) if data else []
        self.flush()
        return list(found)

    def status(self, stream: int, *, seconds: float = 10.0) -> str:
        """The stream's status; `reset` or `closed` where there is none."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = self.events(seconds=seconds)
            if not found:
                return "closed"
            for event in found:
                if isinstance(event, h2.events.ConnectionTerminated):
                    return "closed"
                if isinstance(event, h2.events.StreamReset) and event.stream_id == stream:
                    return "reset"
                if isinstance(event, h2.events.ResponseReceived) and event.stream_id == stream:
                    return str(dict(event.headers)[":status"])
        return "nothing"
