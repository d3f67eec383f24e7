"""The facade between a double of Envoy and a caller that sees every byte."""

import asyncio
import base64
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from dataplane_kit.http1 import Received, read_request
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status

from bailiwick_sidecar.llm_grpc.framing import frame
from bailiwick_sidecar.llm_grpc.server import GrpcServer
from bailiwick_sidecar.llm_grpc.service import GrpcFace

SERVICE = "/bailiwick.llm.v1.LanguageModel"
WAIT = 10

Script = Callable[[Received, asyncio.StreamWriter], Awaitable[None]]


def answer(status: int, body: object, **headers: str) -> Script:
    """Answers with this JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def script(_: Received, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} X", "content-type: application/json"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        lines.append(f"content-length: {len(data)}")
        writer.write("\r\n".join([*lines, "", ""]).encode() + data)

    return script


STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: id-1\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


def chunk(data: bytes) -> bytes:
    """One chunk of a body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(said: object) -> bytes:
    """One event in a chunk of its own."""
    return chunk(b"data: " + json.dumps(said).encode() + b"\n\n")


def piece(text: str) -> dict[str, object]:
    """A piece of an answer."""
    return {"id": "c", "choices": [{"index": 0, "delta": {"content": text}}]}


class EnvoyDouble:
    """Answers each call as its script says; knows when its caller left before the end."""

    def __init__(self) -> None:
        self.script: Script = answer(200, {})
        self.received: list[Received] = []
        self.connections = 0
        self.left = asyncio.Event()
        self.serving: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        assert task is not None
        self.serving.add(task)
        self.connections += 1
        try:
            while (request := await read_request(reader)) is not None and not self.left.is_set():
                self.received.append(request)
                await self._answer(request, reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.serving.discard(task)
            writer.close()

    async def _answer(
        self, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        work = asyncio.ensure_future(self.script(request, writer))
        gone = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                self.left.set()
        finally:
            for task in (work, gone):
                task.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)


@dataclass(slots=True)
class Answered:
    """A call's answer, taken apart."""

    headers: dict[str, str]
    messages: list[bytes] = field(default_factory=list)
    trailers: dict[str, str] = field(default_factory=dict)

    @property
    def code(self) -> int:
        """The status."""
        return int(self.trailers.get("grpc-status") or self.headers["grpc-status"])

    @property
    def rich(self) -> Status:
        """The status with its details."""
        said = self.trailers | self.headers
        raw = said["grpc-status-details-bin"]
        return Status.FromString(base64.b64decode(raw + "=" * (-len(raw) % 4)))


class Facade:
    """The facade, its Envoy, and connections to it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "grpc.sock"
        self.envoy = EnvoyDouble()
        self.callers: list[Caller] = []
        self.ready = True
        self.face = GrpcFace(envoy=str(folder / "api.sock"), ready=lambda: self.ready)

    @property
    def server(self) -> GrpcServer:
        return self.face._server

    async def connect(self, limit: int = 2**26) -> "Caller":
        """A connection as Envoy opens it."""
        found = Caller(*await asyncio.open_unix_connection(str(self.path), limit=limit))
        self.callers.append(found)
        return found

    async def call(self, method: str, message: Message | bytes, **headers: str) -> Answered:
        """One call, from beginning to end."""
        caller = await self.connect()
        raw = message if isinstance(message, bytes) else message.SerializeToString()
        caller.ask(f"{SERVICE}/{method}" if "/" not in method else method, frame(raw), **headers)
        async with asyncio.timeout(WAIT):
            return await caller.answer()


class Caller:
    """One connection to the facade."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def ask(self, path: str, frames: bytes, *, end: bool = True, **headers: str) -> None:
        """A call's head and its messages."""
        said = {"content-type": "application/grpc", "authorization": "Bearer t"}
        said |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"POST {path} HTTP/1.1", "host: x", "transfer-encoding: chunked"]
        lines += [f"{name}: {value}" for name, value in said.items()]
        self.writer.write("\r\n".join([*lines, "", ""]).encode())
        if frames:
            self.writer.write(chunk(frames))
        if end:
            self.writer.write(b"0\r\n\r\n")

    async def head(self) -> dict[str, str]:
        """The answer's head."""
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        return dict(line.split(": ", 1) for line in lines[1:] if line)

    async def message(self) -> bytes:
        """The next message; the first of its chunk."""
        size = int(await self.reader.readline(), 16)
        data = await self.reader.readexactly(size + 2)
        return data[5:-2]

    async def answer(self) -> Answered:
        """The whole answer."""
        found = Answered(await self.head())
        if "content-length" in found.headers:
            return found
        body = b""
        while size := int(await self.reader.readline(), 16):
            body += (await self.reader.readexactly(size + 2))[:-2]
        while line := (await self.reader.readline()).strip().decode():
            name, value = line.split(": ", 1)
            found.trailers[name] = value
        while body:
            length = int.from_bytes(body[1:5], "big")
            found.messages.append(body[5 : 5 + length])
            body = body[5 + length :]
        return found


@contextlib.asynccontextmanager
async def facade() -> AsyncIterator[Facade]:
    """The facade serves inside the block."""
    with tempfile.TemporaryDirectory() as name:
        found = Facade(Path(name))
        envoy = await asyncio.start_unix_server(found.envoy.serve, str(Path(name) / "api.sock"))
        await found.face.listen(found.path)
        try:
            yield found
        finally:
            await found.face.close()
            for caller in found.callers:
                caller.writer.close()
            for task in found.envoy.serving:
                task.cancel()
            await asyncio.gather(*found.envoy.serving, return_exceptions=True)
            envoy.close()
            await asyncio.sleep(0)
