"""A provider that counts for itself: OpenAI-compatible, and as difficult as it is told to be.

Run as a program; it prints its port, then appends one JSON line for each attempt it saw to its
log, after the attempt ended. The last user message may hold a JSON object that says how to
behave: {"tokens": 7, "status": 503, "delay": 0.2, "chunk_delay": 0.01, "cut_after": 3,
"usage": "none", "tier": "flex"}; a member under the provider's own --name overrides:
{"a": {"status": 503}}.
"""

import argparse
import asyncio
import hashlib
import json
import signal
import ssl
import sys
import time
from pathlib import Path
from typing import Any

import httptools
from counting_shapes import JSON_ONLY, answer_of, cap_of, chunks_of, counted


class Attempt:
    """One request as this provider saw it."""

    def __init__(self, headers: dict[str, str], path: str) -> None:
        self.started = time.time()
        self.headers = headers
        self.path = path
        self.body = bytearray()
        self.complete = False


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection, requests in sequence."""

    def __init__(self, server: "Provider") -> None:
        self.server = server
        self.parser = httptools.HttpRequestParser(self)
        self.queue: asyncio.Queue[Attempt | None] = asyncio.Queue()
        self.gone = asyncio.Event()
        self.writable = asyncio.Event()
        self.writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.task = asyncio.get_running_loop().create_task(self.serve())

    def connection_lost(self, error: Exception | None) -> None:
        self.gone.set()
        self.writable.set()
        self.queue.put_nowait(None)

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.headers: dict[str, str] = {}
        self.url = b""
        self.chunks = bytearray()

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self.chunks += body

    def on_message_complete(self) -> None:
        attempt = Attempt(self.headers, self.url.decode())
        attempt.body = self.chunks
        self.queue.put_nowait(attempt)

    async def serve(self) -> None:
        while (attempt := await self.queue.get()) is not None:
            await self.server.answer(self, attempt)

    async def write(self, data: bytes) -> bool:
        """True while the caller is there."""
        await self.writable.wait()
        if self.gone.is_set() or self.transport.is_closing():
            return False
        self.transport.write(data)
        return True

    async def pause(self, seconds: float) -> bool:
        """Wait; true while the caller is there."""
        if seconds > 0:
            try:
                await asyncio.wait_for(self.gone.wait(), seconds)
            except TimeoutError:
                return True
        return not self.gone.is_set()


class Provider:
    """Answers and counts."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log.open("a", buffering=1)
        self.hold = asyncio.Event()
        self.hold.set()
        self.inflight = 0
        self.peak = 0

    def record(self, attempt: Attempt, **facts: Any) -> None:
        auth = attempt.headers.get("authorization", "")
        self.log.write(
            json.dumps(
                {
                    "provider": self.name,
                    "id": attempt.headers.get("x-request-id", ""),
                    "path": attempt.path,
                    "started": attempt.started,
                    "authorization": auth,
                    "authorization_sha256": hashlib.sha256(auth.encode()).hexdigest(),
                    "headers": sorted(attempt.headers),
                    "body_sha256": hashlib.sha256(attempt.body).hexdigest(),
                    **facts,
                }
            )
            + "\n"
        )

    async def answer(self, connection: Connection, attempt: Attempt) -> None:
        if attempt.path.startswith("/_control/"):
            await self.control(connection, attempt.path.removeprefix("/_control/"))
            return
        self.inflight += 1
        self.peak = max(self.peak, self.inflight)
        try:
            await self.respond(connection, attempt)
        finally:
            self.inflight -= 1

    async def respond(self, connection: Connection, attempt: Attempt) -> None:
        body = json.loads(bytes(attempt.body))
        behave = directives(body, self.name)
        free = attempt.path.endswith("/moderations")
        prompt_tokens = 0 if free else count_prompt(body)
        facts: dict[str, Any] = {
            "model": body.get("model"),
            "stream": bool(body.get("stream")),
            "prompt_tokens": prompt_tokens,
            "completion_tokens": 0,
            "delivered": 0,
            "status": int(behave.get("status", 200)),
            "raw": body if behave.get("keep") else None,
            "tier": behave.get("tier"),
        }
        if not await connection.pause(float(behave.get("delay", 0))):
            self.record(attempt, **facts, end="caller_left")
            return
        hold = asyncio.create_task(self.hold.wait())
        gone = asyncio.create_task(connection.gone.wait())
        await asyncio.wait({hold, gone}, return_when=asyncio.FIRST_COMPLETED)
        hold.cancel()
        gone.cancel()
        if facts["status"] >= 400:
            error = {"error": {"message": "told to fail", "type": "server_error", "code": "told"}}
            wait = int(behave.get("retry_after", 1))
            extra = f"retry-after: {wait}\r\n".encode() if facts["status"] == 429 else b""
            await connection.write(reply(facts["status"], json.dumps(error).encode(), extra))
            self.record(attempt, **facts, end="error")
            return
        if attempt.path.endswith(JSON_ONLY):
            facts["completion_tokens"] = counted(attempt.path, body)
            answer = answer_of(attempt.path, body, facts)
            if behave.get("usage") == "none":
                answer.pop("usage", None)
            sent = await connection.write(reply(200, json.dumps(answer).encode()))
            self.record(attempt, **facts, end="complete" if sent else "caller_left")
            return
        choices, cap = cap_of(attempt.path, body)
        tokens = min(int(behave.get("tokens", 5)), cap) * choices
        if behave.get("ignore_cap"):
            tokens = int(behave["tokens"])
        facts["completion_tokens"] = tokens
        if body.get("stream"):
            await self.stream(connection, attempt, body, behave, facts)
            return
        answer = answer_of(attempt.path, body, facts)
        if behave.get("size"):
            answer["padding"] = "x" * int(behave["size"])
        if behave.get("usage") == "none":
            del answer["usage"]
        data = reply(200, json.dumps(answer).encode())
        if behave.get("cut_after") is not None:
            await connection.write(data[: len(data) // 2])
            connection.transport.close()
            self.record(attempt, **facts, end="cut")
            return
        sent = await connection.write(data)
        facts["delivered"] = tokens if sent else 0
        self.record(attempt, **facts, end="complete" if sent else "caller_left")

    async def stream(
        self,
        connection: Connection,
        attempt: Attempt,
        body: dict[str, Any],
        behave: dict[str, Any],
        facts: dict[str, Any],
    ) -> None:
        head = (
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
            b"transfer-encoding: chunked\r\nx-ratelimit-remaining-requests: 999\r\n\r\n"
        )
        alive = await connection.write(head)
        first, word, last = chunks_of(
            attempt.path, body, facts, usage=behave.get("usage") != "none"
        )
        for event in first:
            alive = alive and await connection.write(sse(event))
        for index in range(facts["completion_tokens"]):
            if behave.get("cut_after") is not None and index >= int(behave["cut_after"]):
                connection.transport.close()
                self.record(attempt, **facts, end="cut")
                return
            alive = alive and await connection.write(sse(word))
            alive = alive and await connection.pause(float(behave.get("chunk_delay", 0)))
            if not alive:
                self.record(attempt, **facts, end="caller_left")
                return
            facts["delivered"] += 1
        for event in last:
            await connection.write(sse(event))
        alive = await connection.write(chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        self.record(attempt, **facts, end="complete" if alive else "caller_left")

    async def control(self, connection: Connection, verb: str) -> None:
        if verb == "hold":
            self.hold.clear()
        elif verb == "release":
            self.hold.set()
        elif verb == "reset":
            self.peak = self.inflight
        state = {"inflight": self.inflight, "peak": self.peak}
        await connection.write(reply(200, json.dumps(state).encode()))


def directives(body: dict[str, Any], name: str) -> dict[str, Any]:
    """What the last message tells this provider to do."""
    messages = body.get("messages") or []
    content = messages[-1].get("content") if messages else None
    content = next((c for c in (content, body.get("input"), body.get("prompt")) if c), None)
    content = content[-1] if isinstance(content, list) else content
    content = content.get("content") if isinstance(content, dict) else content
    try:
        told = json.loads(content) if isinstance(content, str) else {}
    except ValueError:
        return {}
    return {**told, **told.get(name, {})} if isinstance(told, dict) else {}


def count_prompt(body: dict[str, Any]) -> int:
    """This provider's token rule: one token for each started four bytes of text."""
    given = (body.get("messages"), body.get("input"), body.get("prompt"))
    text = json.dumps(next((one for one in given if one is not None), None))
    return (len(text.encode()) + 3) // 4


def reply(status: int, body: bytes, extra: bytes = b"") -> bytes:
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n".encode()
    return head + extra + f"content-length: {len(body)}\r\n\r\n".encode() + body


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def sse(event: dict[str, Any]) -> bytes:
    return chunk(b"data: " + json.dumps(event).encode() + b"\n\n")


def secured(folder: Path) -> ssl.SSLContext:
    """TLS with the folder's certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return context


async def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--name", required=True)
    options.add_argument("--log", type=Path, required=True)
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--tls", type=Path, help="folder with tls.crt and tls.key")
    chosen = options.parse_args()
    provider = Provider(chosen.name, chosen.log)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(provider),
        chosen.host,
        chosen.port,
        backlog=1024,
        ssl=secured(chosen.tls) if chosen.tls else None,
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
