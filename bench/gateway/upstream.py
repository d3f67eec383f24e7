"""A provider that answers from memory, so that what is measured is the gateway."""

import argparse
import asyncio
import json
from typing import cast

import httptools
import uvloop

EVENTS = 200
HOLD = "hold"
HELD_SECONDS = 2.0
"""Between two events of a stream that goes on until its caller leaves."""
USAGE = {"prompt_tokens": 250, "completion_tokens": EVENTS, "total_tokens": 250 + EVENTS}


def unary() -> bytes:
    """One chat completion of about a kilobyte."""
    message = {"role": "assistant", "content": "word " * 120}
    body = json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": USAGE,
        }
    ).encode()
    head = (
        f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def chunk(data: bytes) -> bytes:
    """One HTTP/1.1 chunk."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def event(**more: object) -> bytes:
    """One server-sent event in a chunk of its own."""
    frame = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return chunk(b"data: " + json.dumps({**frame, **more}).encode() + b"\n\n")


UNARY = unary()
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
WORD = event(
    choices=[{"index": 0, "delta": {"content": " word"}, "finish_reason": None}], usage=None
)
LAST = event(choices=[], usage=USAGE) + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"


class Upstream(asyncio.Protocol):
    """Answers each request at once; a body with `"stream":true` gets events."""

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.stream = self.held = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.stream = self.held = False

    def on_body(self, body: bytes) -> None:
        self.stream = self.stream or b'"stream":true' in body
        self.held = self.held or b'"user":"hold"' in body

    def on_message_complete(self) -> None:
        if not self.stream:
            self.transport.write(UNARY)
            return
        self.transport.write(HEAD)
        if self.held:
            self.hold()
            return
        self.left = EVENTS
        self.send()

    def hold(self) -> None:
        """An event now and again."""
        if not self.transport.is_closing():
            self.transport.write(WORD)
            asyncio.get_running_loop().call_later(HELD_SECONDS, self.hold)

    def send(self) -> None:
        """One event a turn of the loop, so that each is a packet of its own."""
        if self.left and not self.transport.is_closing():
            self.left -= 1
            self.transport.write(WORD)
            asyncio.get_running_loop().call_soon(self.send)
        else:
            self.transport.write(LAST)


async def main(port: int) -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", port, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, default=0)
    uvloop.run(main(options.parse_args().port))
