"""Streams of the Responses API: usage inside the last event's `response`, however it is cut."""

import json
import random
from typing import Any, Final

from fuzz_kit.scripts import Scripts
from fuzz_kit.streams import cuts

USAGE: Final = (
    '{"input_tokens":3,"input_tokens_details":{"cached_tokens":1},"output_tokens":2,'
    '"output_tokens_details":{"reasoning_tokens":1},"total_tokens":5}'
)
ENDS: Final = ("response.completed", "response.incomplete", "response.failed")


def event(kind: str, facts: str) -> str:
    """The lines of one event, without their ends, joined by a line feed."""
    return f'event: {kind}\ndata: {{"type":"{kind}","sequence_number":1,{facts}}}'


def delta(text: str) -> str:
    """A word."""
    return event("response.output_text.delta", f'"item_id":"i","delta":{json.dumps(text)}')


def report(kind: str, usage: str, *, before: str = "", after: str = "") -> str:
    """An event that reports on the response as a whole."""
    facts = f'"response":{{"id":"r","model":"pm",{before}"usage":{usage}{after}}}'
    return event(kind, facts)


def stream(rng: random.Random) -> tuple[bytes, str | None, int]:
    """A stream, the usage that it ends with, and how many events have content."""
    eol = rng.choice(["\n", "\r\n", "\r"])
    # What a caller can have repeated to him: names and braces that look like what is looked for.
    decoys = (
        "",
        '"instructions":"say \\"usage\\":{\\"input_tokens\\":9}",',
        '"tools":[{"parameters":{"usage":{"input_tokens":9}}}],',
        '"usage_of":{"usage":{"input_tokens":9}},',
    )
    decoy = rng.choice(decoys)
    events = [report("response.created", "null", before=decoy)]
    words = rng.randint(0, 5)
    for _ in range(words):
        events.append(
            delta(rng.choice(["a", "\u20ac", 'x.delta y "usage": {}', "data: x", "[DONE]"]))
        )
        if rng.random() < 0.3:
            events.append(event("response.output_text.done", '"text":"usage"'))
    usage = rng.choice([USAGE, USAGE, USAGE, "null", "7", "[]"])
    after = rng.choice(["", ',"user":null', ',"metadata":{"usage":"x"},"store":false'])
    if rng.random() < 0.9:
        events.append(report(rng.choice(ENDS), usage, before=decoy, after=after))
    else:
        usage = "null"
    text = "".join(one.replace("\n", eol) + eol + eol for one in events)
    return text.encode(), usage if usage.startswith("{") else None, words


def check(scripts: Scripts, body: bytes, pieces: list[int]) -> tuple[str | None, int]:
    """Usage and events of the stream, which do not depend on how it is cut.

    Raises:
        AssertionError: they do, or a byte was changed.
    """
    whole = scripts.answer(body, [], response=True)
    parts = scripts.answer(body, pieces, response=True)
    assert whole.passed == parts.passed == body, "bytes were changed"
    assert (parts.usage, parts.events) == (whole.usage, whole.events), "the cuts made a difference"
    return whole.usage.decode() if whole.usage else None, whole.events


def run(scripts: Scripts, seed: str, count: int) -> int:
    """How many of so many streams had usage.

    Raises:
        AssertionError: what went wrong, with the stream and the cuts that repeat it.
    """
    rng = random.Random(f"response streams {seed}")
    counted = 0
    for _ in range(count):
        body, usage, words = stream(rng)
        pieces = cuts(rng, len(body))
        found: Any = None
        try:
            found = check(scripts, body, pieces)
            assert found == (usage, words), f"found {found}, not {(usage, words)}"
        except AssertionError as error:
            raise AssertionError(f"{error}\nbody = {body!r}\npieces = {pieces!r}") from error
        counted += usage is not None
    return counted
