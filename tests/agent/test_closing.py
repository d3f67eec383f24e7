"""A config that refuses everything ends what is under way, on the real Envoy."""

import contextlib
import http.client
import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import grpc
import pytest
from agent.gateway_process import Gateway, Provider, Signer, wait_for
from agent.test_agent_with_envoy import KEYS, config, rows, started

from bailiwick.llm.v1 import llm_pb2 as pb
from bailiwick.llm.v1.llm_pb2_grpc import LanguageModelStub


class Endless(Provider):
    """Streams words until its caller is gone; `left` counts those that it saw go."""

    left = 0

    def answer(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        if not body.get("stream"):
            super().answer(handler, body)
            return
        chunk = {"choices": [{"index": 0, "delta": {"content": "word "}}]}
        line = b"data: " + json.dumps(chunk).encode() + b"\n\n"
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()
        end = time.monotonic() + 90
        with contextlib.suppress(OSError):
            while time.monotonic() < end:
                handler.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
                time.sleep(0.05)
            return
        self.left += 1


@pytest.fixture
def provider() -> Iterator[Endless]:
    made = Endless()
    yield made
    made.close()


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    made = Gateway(tmp_path, secrets=KEYS)
    yield made
    made.stop()


class Reader:
    """A caller who reads a stream; `ended` says when it was cut, on the monotonic clock."""

    def __init__(self, gateway: Gateway, token: str) -> None:
        said = {"model": "fast", "messages": [{"role": "user", "content": "go"}], "stream": True}
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        self._connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
        self._connection.request("POST", "/v1/chat/completions", json.dumps(said), headers)
        self.answer = self._connection.getresponse()
        self.lines: list[bytes] = []
        self.ended = 0.0
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            while line := self.answer.readline():
                self.lines.append(line)
        self.ended = time.monotonic()
        self._connection.close()


def test_open_streams_end_and_are_settled_where_everything_is_refused(
    gateway: Gateway, provider: Endless
) -> None:
    """Callers' streams end, the provider's too; each is charged by what was passed on.

    New calls are answered all the while, with the reason; what comes back is served again.
    """
    signer = Signer()
    serving = config(signer, provider, provider)
    started(gateway, serving)
    token = signer.token()
    readers = [Reader(gateway, token) for _ in range(3)]
    wait_for("words", lambda: all(len(one.lines) > 4 for one in readers))

    gateway.write({**serving, "denyReason": "this namespace is leaving its tenant"})
    wait_for("refusals", lambda: gateway.chat(token)[0] == 403)
    for one in readers:
        one.thread.join(30)
    ids = {one.answer.headers["x-request-id"] for one in readers}

    def cut() -> list[dict[str, Any]]:
        return [row for row in rows(gateway) if row["stream_id"] in ids]

    wait_for("settled", lambda: len(cut()) == len(readers))
    status, body, _ = gateway.chat(token)

    assert all(one.ended for one in readers)
    assert (status, json.loads(body)["error"]["code"]) == (403, "tenant_denied")
    assert {one["state"] for one in cut()} == {"estimated"}
    assert {one["reason"] for one in cut()} == {"gateway_closed"}
    assert all(4 < one["output_tokens"] < 500 for one in cut())
    wait_for("the provider to be told", lambda: provider.left == len(readers))

    gateway.write(serving)
    wait_for("service", lambda: gateway.chat(token)[0] == 200)


def test_what_is_left_is_said_where_everything_is_refused(
    gateway: Gateway, provider: Endless
) -> None:
    """What is under way, and rows that wait for the ledger; nothing while calls are served."""
    signer = Signer()
    serving = config(signer, provider, provider)
    started(gateway, serving)
    token = signer.token()
    assert gateway.chat(token)[0] == 200
    wait_for("the first row", lambda: len(rows(gateway)) == 1)
    assert gateway.status()["remainder"] is None

    other = sqlite3.connect(gateway.state / "ledger.db", isolation_level=None)
    other.execute("begin exclusive")
    assert [gateway.chat(token)[0] for _ in range(3)] == [200] * 3
    gateway.write({**serving, "denyReason": "this namespace is leaving its tenant"})

    def left() -> dict[str, Any]:
        return gateway.status().get("remainder") or {}

    wait_for("a count", lambda: left().get("rows") == 3)
    assert left()["in_flight"] == 0
    assert left()["shipped"] is False
    assert left()["place"] == str(gateway.state / "journal")
    other.execute("rollback")
    other.close()
    wait_for("shipped", lambda: left().get("shipped"), 60)
    assert len(rows(gateway)) == 4

    gateway.write(serving)
    wait_for("service", lambda: gateway.chat(token)[0] == 200)
    wait_for("no word of it", lambda: gateway.status()["remainder"] is None)


def test_streams_by_grpc_end_too(gateway: Gateway, provider: Endless) -> None:
    """The caller gets a status; the attempt behind it is settled like any other."""
    signer = Signer()
    serving = config(signer, provider, provider)
    started(gateway, serving)
    question = pb.ChatStreamRequest(
        chat=pb.ChatRequest(
            model="fast", messages=[{"role": pb.ROLE_USER, "content": "go"}], max_tokens=400
        )
    )
    with grpc.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        call = LanguageModelStub(channel).ChatStream(
            question, metadata=(("authorization", f"Bearer {signer.token()}"),), timeout=60
        )
        seen = [next(call) for _ in range(4)]
        gateway.write({**serving, "denyReason": "this namespace is leaving its tenant"})
        with pytest.raises(grpc.RpcError) as caught:
            seen.extend(call)
    (row,) = wait_for("settled", lambda: rows(gateway))

    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert (row["state"], row["protocol"]) == ("estimated", "grpc")
    assert len(seen) <= row["output_tokens"] + 1 < 400
