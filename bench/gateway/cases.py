"""What is sent: prompts of two sizes, JSON in JSON, a stream."""

import json
from dataclasses import dataclass

from gateway.upstream import EVENTS, HOLD

PATH = "/v1/chat/completions"
TEXT = "The quick brown fox jumps over the lazy dog. "


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of request and how many make a round.

    `per` is in how many units a request's cost is divided; `bound` and `goal` are what its cost
    may be and should be, in costs of the same request through plain Envoy.
    """

    name: str
    body: bytes
    count: int
    connections: int
    bound: float
    goal: float
    per: int = 1


def cases(scale: float) -> list[Case]:
    """What is measured; `scale` shortens or lengthens every round."""
    nested = json.dumps({"rows": [{"name": 'a"b', "value": 1.5}] * 2200})
    few = max(1, int(600 * scale))
    return [
        Case("1 kB prompt", body(TEXT * 20), max(1, int(3000 * scale)), 16, 5, 3.5),
        Case("100 kB prompt", body(TEXT * 2200), few, 8, 4, 2.5),
        Case("100 kB of JSON in JSON", body(nested), few, 8, 4, 2.5),
        Case(
            "streamed event", body(TEXT, stream=True), max(1, int(60 * scale)), 4, 1.8, 1.8, EVENTS
        ),
    ]


def body(content: str, **more: object) -> bytes:
    """A chat completion's body."""
    message = {"model": "fast", "max_tokens": 256, **more}
    message["messages"] = [{"role": "user", "content": content}]
    return json.dumps(message, separators=(",", ":")).encode()


def held() -> bytes:
    """A stream that goes on until its caller leaves."""
    return body(TEXT, stream=True, user=HOLD)
