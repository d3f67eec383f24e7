"""One answer of the echo provider, ready to be sent whole or as events."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Spoken:
    """What is sent and what it takes. `usage` of False leaves the figures out."""

    input_tokens: int
    output_tokens: int
    steps: int
    """Tokens said one after the other."""
    whole: Callable[..., dict[str, Any]]
    """whole(identity=…, created=…, usage=…): the answer as one JSON object."""
    events: Callable[..., Iterator[tuple[int, bytes]]] | None = None
    """The same as a stream: each event with its number of output tokens; None: asked for whole."""


def sse(data: dict[str, Any], *, name: str | None = None) -> bytes:
    """One server-sent event."""
    head = "" if name is None else f"event: {name}\n"
    return f"{head}data: {json.dumps(data, separators=(',', ':'))}\n\n".encode()
