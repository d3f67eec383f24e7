"""One gateway (`bailiwick up`) before one counting provider, for typed clients."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
from documents import backend, provider, quota, route, tenant
from running import CountingProvider, Up, running, wait_for

from bailiwick.llm.v1 import llm_pb2 as pb
from bailiwick.llm.v1.llm_pb2_grpc import LanguageModelStub

ONCE = "once"
"""A user who may call once a minute."""


class Served:
    """The gateway, its provider and a blocking channel to it."""

    def __init__(self, up: Up, source: CountingProvider, channel: grpc.Channel) -> None:
        self.up, self.source, self.channel = up, source, channel
        self.stub = LanguageModelStub(channel)
        self._tokens: dict[str, str] = {}

    @property
    def target(self) -> str:
        """Where clients connect."""
        return f"127.0.0.1:{self.up.ports}"

    def token(self, user: str = "u1") -> str:
        """A development token of this user."""
        if user not in self._tokens:
            self._tokens[user] = self.up.token(user=user)
        return self._tokens[user]

    def metadata(self, user: str = "u1", **more: str) -> tuple[tuple[str, str], ...]:
        """What a call carries."""
        extra = tuple((name.replace("_", "-"), value) for name, value in more.items())
        return (("authorization", f"Bearer {self.token(user)}"), *extra)

    def row(self, request_id: str) -> dict[str, Any]:
        """The one row of a request, once it is there."""

        def probe() -> list[dict[str, Any]]:
            return [one for one in self.up.rows() if one["stream_id"] == request_id]

        rows = wait_for(f"row of {request_id}", probe)
        assert len(rows) == 1
        return rows[0]


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Served]:
    """Serves inside the block."""
    source = CountingProvider("a", folder)
    up = Up(folder)
    documents = [
        tenant(),
        provider("a", source.port),
        route("fast", backend("a"), aliases=["fast", "echo"]),
        route("premium", backend("a"), teams=["support"]),
        quota("once", {"user": ONCE}, {"requestsPerMinute": 1}),
        quota("roomy", {"each": ["User"]}, {"requestsPerMinute": 10_000}),
        quota("once-go", {"user": f"{ONCE}-go"}, {"requestsPerMinute": 1}),
    ]
    try:
        with (
            running(up, documents),
            grpc.insecure_channel(f"127.0.0.1:{up.ports}") as channel,
        ):
            yield Served(up, source, channel)
    finally:
        source.stop()


def ask(told: dict[str, Any] | None = None, **fields: Any) -> pb.ChatRequest:
    """A question that tells the provider how to answer."""
    content = json.dumps(told or {})
    said = {"model": "fast", "max_tokens": 64, **fields}
    return pb.ChatRequest(messages=[{"role": pb.ROLE_USER, "content": content}], **said)


def streamed(told: dict[str, Any] | None = None, **fields: Any) -> pb.ChatStreamRequest:
    """The same for an answer in pieces."""
    return pb.ChatStreamRequest(chat=ask(told, **fields))


def trailer(call: Any, name: str) -> str:
    """A value of a call's trailing metadata."""
    return str(dict(call.trailing_metadata())[name])
