"""Providers that lie, on a whole gateway: a clear answer for the caller, one row in the ledger.

Nothing that a provider says makes a call free, books more than was reserved where its figures can't
be believed, or reaches the next caller.
"""

import asyncio
import itertools
import json
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from dataplane_kit.http1 import Http1Server, Received, Reply

sys.path.insert(0, str(Path(__file__).parents[1] / "acceptance"))

from documents import backend, provider, route, tenant
from running import Up, running, wait_for

JSON = {"content-type": "application/json"}
SSE = {"content-type": "text/event-stream"}


def answer(usage: str | None, **more: Any) -> bytes:
    """A completion with this text for usage."""
    body = {
        "id": "c",
        "object": "chat.completion",
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}}],
        **more,
    }
    tail = b"" if usage is None else b',"usage":' + usage.encode()
    return json.dumps(body).encode()[:-1] + tail + b"}"


GOOD = '{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}'


def event(text: str = '{"choices":[{"index":0,"delta":{"content":"w"}}]}') -> bytes:
    """One event of a stream."""
    return f"data: {text}\n\n".encode()


@dataclass(frozen=True, slots=True)
class Lie:
    """What a provider answers, and what must come of it; `None` for a status: cut off."""

    reply: Callable[[], Reply]
    status: int | None
    state: str
    stream: bool = False
    model: str = "fast"


def usage(text: str) -> Callable[[], Reply]:
    return lambda: Reply(200, JSON, answer(text))


def plain(status: int, headers: dict[str, str], body: bytes = b"") -> Callable[[], Reply]:
    return lambda: Reply(status, dict(headers), body)


def endless() -> Reply:
    return Reply(200, SSE, chunks=itertools.chain.from_iterable(itertools.repeat([event(), 0.01])))  # type: ignore[arg-type]  # any iterable will do


LIES = {
    "HTML instead of JSON": Lie(
        plain(200, {"content-type": "text/html"}, b"<html>Sign in</html>"), 200, "estimated"
    ),
    "200 with an error body": Lie(
        plain(200, JSON, b'{"error":{"message":"overloaded"}}'), 200, "estimated"
    ),
    "200 with nothing": Lie(plain(200, JSON), 200, "estimated"),
    "content-length too large": Lie(
        lambda: Reply(200, {**JSON, "content-length": "9999"}, answer(GOOD), cut=True),
        None,
        "estimated",
    ),
    "content-length too small": Lie(
        plain(200, {**JSON, "content-length": "20"}, answer(GOOD)), 200, "estimated"
    ),
    "content-length that is none": Lie(
        plain(200, {**JSON, "content-length": "x"}, answer(GOOD)), 502, "estimated"
    ),
    "a second answer behind the first": Lie(
        lambda: Reply(
            200,
            {**JSON, "content-length": str(len(answer(GOOD)))},
            answer(GOOD) + b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nCANARY",
        ),
        200,
        "settled",
    ),
    "no HTTP at all": Lie(lambda: Reply(hang_up=True), 503, "estimated"),
    "headers without end": Lie(
        plain(200, {**JSON, **{f"x-{i}": "y" * 100 for i in range(300)}}), 502, "estimated"
    ),
    "a redirect": Lie(plain(302, {"location": "http://169.254.169.254/"}), 502, "settled"),
    "a redirect that keeps the method": Lie(
        plain(307, {"location": "https://evil.example/"}), 502, "settled"
    ),
    "not modified": Lie(plain(304, {}), 502, "settled"),
    "coded though nobody asked": Lie(
        plain(200, {**JSON, "content-encoding": "gzip"}, b"\x1f\x8b"), 200, "estimated"
    ),
    "usage below zero": Lie(
        usage('{"prompt_tokens":-3,"completion_tokens":-4,"total_tokens":-7}'), 200, "estimated"
    ),
    "usage beyond belief": Lie(
        usage('{"prompt_tokens":3,"completion_tokens":1000000000000000000}'), 200, "estimated"
    ),
    "usage as texts": Lie(usage('{"prompt_tokens":"3","completion_tokens":"4"}'), 200, "estimated"),
    "usage as floats": Lie(
        usage('{"prompt_tokens":3.5,"completion_tokens":1e1}'), 200, "estimated"
    ),
    "usage as a list": Lie(usage("[3,4]"), 200, "estimated"),
    "usage twice": Lie(usage(f'{GOOD},"usage":{{"prompt_tokens":0}}'), 200, "estimated"),
    "usage without output": Lie(usage('{"prompt_tokens":3}'), 200, "estimated"),
    "usage in a part of the answer": Lie(
        lambda: Reply(200, JSON, answer(None, x={"usage": json.loads(GOOD)})), 200, "estimated"
    ),
    "a stream of HTML": Lie(
        plain(200, {"content-type": "text/html"}, b"<html>"), 200, "estimated", stream=True
    ),
    "a stream with an error in it": Lie(
        lambda: Reply(200, SSE, chunks=[event(), event('{"error":{"message":"no"}}')]),
        200,
        "estimated",
        stream=True,
    ),
    "a stream without its end": Lie(
        lambda: Reply(200, SSE, chunks=[event(), event()]), 200, "estimated", stream=True
    ),
    "a stream that is cut": Lie(
        lambda: Reply(200, SSE, chunks=[event(), event()], cut=True), None, "estimated", stream=True
    ),
    "a stream whose usage counts down": Lie(
        lambda: Reply(
            200,
            SSE,
            chunks=[
                event('{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":9}}'),
                event('{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}'),
                event("[DONE]"),
            ],
        ),
        200,
        "settled",
        stream=True,
    ),
    "a stream with null for usage in every event": Lie(
        lambda: Reply(
            200,
            SSE,
            chunks=[event('{"choices":[{"delta":{"content":"w"}}],"usage":null}')] * 3
            + [event("[DONE]")],
        ),
        200,
        "estimated",
        stream=True,
    ),
    "an event of twenty megabytes": Lie(
        lambda: Reply(200, SSE, chunks=[b"data: ", *([b"x" * 1_000_000] * 20), b"\n\n"]),
        200,
        "estimated",
        stream=True,
    ),
    "a stream that never ends": Lie(endless, None, "estimated", stream=True, model="brief"),
}


class World:
    """A gateway before a provider that answers as the test says."""

    def __init__(self, folder: Path) -> None:
        self.seen: list[Received] = []
        self.reply: Callable[[], Reply] = usage(GOOD)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._server = Http1Server(self._answer)
        self.port = asyncio.run_coroutine_threadsafe(self._server.listen_tcp(), self._loop).result()
        self.up = Up(folder)

    async def _answer(self, request: Received) -> Reply:
        self.seen.append(request)
        return self.reply()

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._server.close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def call(self, *, stream: bool = False, model: str = "fast") -> tuple[int | None, bytes, str]:
        """Status (None where the answer was cut off), body, and the stream's id."""
        body = {
            "model": model,
            "max_tokens": 50,
            "stream": stream,
            "messages": [{"role": "user", "content": "hi"}],
        }
        headers = {"authorization": f"Bearer {self.token}"}
        got, ident = b"", ""
        try:
            with httpx.stream(
                "POST",
                f"{self.up.url()}/v1/chat/completions",
                json=body,
                headers=headers,
                timeout=30,
            ) as answered:
                ident = answered.headers["x-request-id"]
                for piece in answered.iter_raw():
                    got += piece
        except httpx.RemoteProtocolError:
            return None, got, ident
        return answered.status_code, got, ident

    def row(self, stream: str) -> dict[str, Any]:
        """The one row of a call."""
        (row,) = wait_for(
            "its row", lambda: [one for one in self.up.rows() if one["stream_id"] == stream]
        )
        return dict(row)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One gateway for the module."""
    found = World(tmp_path_factory.mktemp("lying"))
    documents = [
        tenant(),
        provider("a", found.port),
        route("fast", backend("a")),
        route("brief", backend("a"), timeouts={"request": "3s"}),
    ]
    try:
        with running(found.up, documents):
            found.token = found.up.token()
            yield found
    finally:
        found.close()


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_a_lie_is_answered_and_accounted(world: World, lie: Lie) -> None:
    """The caller gets this status, the attempt this state; and the next caller what is his own."""
    world.reply, before = lie.reply, len(world.seen)

    status, got, stream = world.call(stream=lie.stream, model=lie.model)
    row = world.row(stream)
    world.reply = usage(GOOD)
    after = world.call()

    assert (status, row["state"]) == (lie.status, lie.state), got[:200]
    assert len(world.seen) == before + 2
    assert b"CANARY" not in got
    assert (after[0], after[1]) == (200, answer(GOOD))
    assert 0 <= int(row["output_tokens"]) <= 50
    if lie.state == "estimated":
        assert int(row["input_tokens"]) > 0
        assert float(row["cost"]) > 0
