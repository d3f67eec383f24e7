"""A provider that writes down each attempt when it begins, and lies, cuts and fails as told.

Run as a program; it prints its port. Its log has a line when an attempt's head has been read and
one when it ended, each written with one system call: `kill -9` loses neither. What to do stands in
the last user message (or the input) as JSON; a member named like the provider overrides the rest.
"""

import argparse
import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

import httptools

Told = dict[str, Any]
HTML = b"<html><body><h1>It works!</h1></body></html>"


class Log:
    """Lines that are in the kernel as soon as they are written."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, **facts: object) -> None:
        """One line with the time."""
        os.write(self._fd, json.dumps({"t": time.time(), **facts}).encode() + b"\n")


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection, requests in sequence."""

    seen = 0

    def __init__(self, name: str, log: Log) -> None:
        self.name, self.log = name, log
        self.parser = httptools.HttpRequestParser(self)
        self.queue: asyncio.Queue[tuple[str, str, bytes] | None] = asyncio.Queue()
        self.gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.task = asyncio.get_running_loop().create_task(self.serve())

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        self.gone.set()
        self.queue.put_nowait(None)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.id, self.url, self.body = "", b"", bytearray()

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"x-request-id":
            self.id = value.decode()

    def on_headers_complete(self) -> None:
        Connection.seen += 1
        self.key = f"{self.name}-{os.getpid()}-{Connection.seen}"
        self.log.write(key=self.key, what="begin", provider=self.name, id=self.id)

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.queue.put_nowait((self.key, self.url.decode(), bytes(self.body)))

    async def serve(self) -> None:
        while (asked := await self.queue.get()) is not None:
            key, path, body = asked
            facts = await Answer(self, path, json.loads(body)).give()
            self.log.write(key=key, what="end", **facts)

    def write(self, data: bytes) -> bool:
        """True while the caller is there."""
        if self.gone.is_set() or self.transport.is_closing():
            return False
        self.transport.write(data)
        return True

    async def pause(self, seconds: float) -> None:
        """Waits, at most until the caller leaves."""
        if seconds > 0:
            try:
                await asyncio.wait_for(self.gone.wait(), seconds)
            except TimeoutError:
                return


class Answer:
    """One answer, true or not."""

    def __init__(self, connection: Connection, path: str, body: dict[str, Any]) -> None:
        self.connection, self.path, self.body = connection, path, body
        messages = body.get("messages")
        content = messages[-1]["content"] if messages else body["input"]
        said = json.loads(content)
        self.told: Told = {**said, **said.get(connection.name, {})}
        self.lie = str(self.told.get("lie", ""))
        counted = json.dumps(messages or body["input"]).encode()
        cap = body.get("max_completion_tokens") or body.get("max_tokens") or 64
        self.prompt = (len(counted) + 3) // 4
        self.output = 0 if self.embedding else min(int(self.told.get("tokens", 5)), int(cap))
        self.events = 0

    @property
    def embedding(self) -> bool:
        """True where no output is asked for."""
        return self.path.endswith("/embeddings")

    async def give(self) -> dict[str, object]:
        """What was said, and how it ended."""
        told, connection = self.told, self.connection
        status = int(told.get("status", 200))
        facts: dict[str, object] = {
            "call": told.get("call"), "model": self.body["model"], "lie": self.lie,
            "status": status, "usage": None, "stream": bool(self.body.get("stream")),
        }  # fmt: skip
        await connection.pause(float(told.get("delay", 0)))
        if connection.gone.is_set():
            return {**facts, "end": "caller_left"}
        if self.lie == "hang_up":
            connection.transport.close()
            return {**facts, "end": "hang_up", "status": 0}
        if status != 200:
            error = {"error": {"message": "told to fail", "type": "server_error", "code": "told"}}
            sent = connection.write(reply(json.dumps(error).encode(), status=status))
            return {**facts, "end": "complete" if sent else "caller_left"}
        facts["usage"] = usage = self.usage()
        if self.body.get("stream"):
            end = await self.stream(usage)
        else:
            end = self.whole(usage)
        return {**facts, "end": end, "events": self.events}

    def usage(self) -> dict[str, object] | None:
        """The figures that it will give, where it gives any."""
        prompt: object = self.prompt
        output: object = self.output
        match self.lie:
            case "no_usage" | "html" | "error_body":
                return None
            case "high_usage":
                output = self.output + 300
            case "low_usage":
                output = 1
            case "negative_usage":
                output = -5
            case "word_usage":
                prompt = "many"
        usage = {"prompt_tokens": prompt}
        if not self.embedding:
            usage["completion_tokens"] = output
        if isinstance(prompt, int) and isinstance(output, int):
            usage["total_tokens"] = prompt + output
        return usage

    def whole(self, usage: dict[str, object] | None) -> str:
        """A unary answer; how it ended."""
        if self.lie == "html":
            self.connection.write(reply(HTML, kind="text/html"))
            return "complete"
        answer: dict[str, Any] = {"object": "list", "model": self.body["model"]}
        if self.lie == "error_body":
            answer = {"error": {"message": "overloaded", "type": "server_error", "code": "busy"}}
        elif self.embedding:
            answer["data"] = [{"object": "embedding", "index": 0, "embedding": [0.6, 0.8]}]
        else:
            message = {"role": "assistant", "content": " w" * self.output}
            answer["choices"] = [{"index": 0, "message": message, "finish_reason": "stop"}]
        if usage is not None:
            answer["usage"] = usage
        body = json.dumps(answer).encode()
        match self.lie:
            case "long_length":
                self.connection.write(reply(body, length=len(body) + 50))
            case "short_length":
                self.connection.write(reply(body, length=len(body) - 10))
            case "cut":
                data = reply(body)
                self.connection.write(data[: len(data) - len(body) // 2])
            case _:
                return "complete" if self.connection.write(reply(body)) else "caller_left"
        self.connection.transport.close()
        return "cut"

    async def stream(self, usage: dict[str, object] | None) -> str:
        """A streamed answer; how it ended."""
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked"
        alive = self.connection.write(head + b"\r\n\r\n")
        frame = {"object": "chat.completion.chunk", "model": self.body["model"]}
        for index in range(self.output):
            if self.lie == "cut" and index >= self.output // 2:
                self.connection.transport.close()
                return "cut"
            choice = {"index": 0, "delta": {"content": " w"}, "finish_reason": None}
            alive = self.connection.write(sse({**frame, "choices": [choice]}))
            await self.connection.pause(float(self.told.get("pause", 0)))
            if not alive or self.connection.gone.is_set():
                return "caller_left"
            self.events += 1
        choice = {"index": 0, "delta": {}, "finish_reason": "stop"}
        data = sse({**frame, "choices": [choice]})
        if usage is not None and (self.body.get("stream_options") or {}).get("include_usage"):
            data += sse({**frame, "choices": [], "usage": usage})
        data += chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
        return "complete" if self.connection.write(data) else "caller_left"


def reply(
    body: bytes, *, status: int = 200, kind: str = "application/json", length: int | None = None
) -> bytes:
    """A whole answer, its length as said or as it is."""
    size = len(body) if length is None else length
    head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {size}\r\n\r\n"
    return head.encode() + body


def chunk(data: bytes) -> bytes:
    """One chunk (RFC 9112, section 7.1)."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def sse(event: object) -> bytes:
    """One event in a chunk of its own."""
    return chunk(b"data: " + json.dumps(event).encode() + b"\n\n")


async def main() -> None:
    """Serves until killed."""
    options = argparse.ArgumentParser()
    options.add_argument("--name", required=True)
    options.add_argument("--log", type=Path, required=True)
    options.add_argument("--port", type=int, default=0)
    chosen = options.parse_args()
    log = Log(chosen.log)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(chosen.name, log), "127.0.0.1", chosen.port, backlog=1024
    )
    os.write(1, f"{server.sockets[0].getsockname()[1]}\n".encode())
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
