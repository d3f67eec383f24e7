"""As little of HTTP/1.1 as the test's servers need, every byte under the test's control."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Received:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def has(self, text: str) -> bool:
        """True where the text stands anywhere in it."""
        flat = f"{self.path}\n{self.headers}\n{self.body.decode(errors='replace')}"
        return text in flat


@dataclass(slots=True)
class Reply:
    """An answer: chunks are written one by one, each after its delay in seconds."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    chunks: list[bytes | float] | None = None
    cut: bool = False
    """Close the connection behind the last chunk without ending the answer."""
    delay: float = 0.0
    """Before the headers."""
    hang_up: bool = False
    """Close without an answer."""


Handler = Callable[[Received], Awaitable[Reply]]


async def read_request(reader: asyncio.StreamReader) -> Received | None:
    """The next request of the connection; None at its end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    lines = head.decode("latin-1").split("\r\n")
    method, path, _ = lines[0].split(" ", 2)
    headers: dict[str, str] = {}
    for line in lines[1:]:
        if line:
            name, value = line.split(":", 1)
            headers[name.lower()] = value.strip()
    body = b""
    if "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    elif headers.get("transfer-encoding") == "chunked":
        while size := int((await reader.readline()).strip() or b"0", 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
    return Received(method, path, headers, body)


async def write_reply(writer: asyncio.StreamWriter, reply: Reply) -> None:
    """Send the answer as it says."""
    await asyncio.sleep(reply.delay)
    headers = dict(reply.headers)
    if reply.chunks is None:
        headers.setdefault("content-length", str(len(reply.body)))
    else:
        headers["transfer-encoding"] = "chunked"
    head = f"HTTP/1.1 {reply.status} X\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items())
    writer.write(head.encode("latin-1") + b"\r\n" + (reply.body if reply.chunks is None else b""))
    await writer.drain()
    for chunk in reply.chunks or ():
        if isinstance(chunk, float):
            await asyncio.sleep(chunk)
        elif chunk:
            writer.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            await writer.drain()
    if reply.chunks is not None and not reply.cut:
        writer.write(b"0\r\n\r\n")
        await writer.drain()


class Http1Server:
    """Answers every request by a handler and keeps what it received."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def listen_tcp(self, tls: ssl.SSLContext | None = None) -> int:
        """Listen on loopback; the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**20, ssl=tls)
        return int(self._server.sockets[0].getsockname()[1])

    async def listen_unix(self, path: str) -> None:
        """Listen on a Unix socket."""
        self._server = await asyncio.start_unix_server(self._serve, path, limit=2**20)

    async def close(self) -> None:
        """Stop and cut every connection."""
        if self._server is not None:
            self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            while (request := await read_request(reader)) is not None:
                reply = await self._handler(request)
                if reply.hang_up:
                    break
                await write_reply(writer, reply)
                if reply.cut:
                    break
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            writer.close()
