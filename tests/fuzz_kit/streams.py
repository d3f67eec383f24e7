"""What a stream must never do: depend on how it was cut, change, hide anything but usage alone."""

import random
from collections.abc import Iterator
from typing import Final

import orjson
from fuzz_kit import mutants
from fuzz_kit.reference import Refused, read
from fuzz_kit.scripts import Scripts

USAGE: Final = (
    b'{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}',
    b'{"total_tokens":1,"x":{"y":[]}}',
    b"null",
    b"{}",
    b"7",
    b'"a"',
    b'{"a":1',
)
EOLS: Final = (b"\n", b"\r\n", b"\r")
LIMIT: Final = 2048


def event(rng: random.Random) -> bytes:
    """The payload of one event, mostly as OpenAI sends it."""
    roll = rng.random()
    if roll < 0.1:
        return b"[DONE]"
    if roll < 0.15:
        return mutants.document(rng)
    if roll < 0.2:
        return mutants.damaged(rng, mutants.document(rng), 2)
    parts = [b'"id":"c"', b'"model":"pm"']
    if rng.random() < 0.9:
        filled = b'[{"index":0,"delta":{"content":' + mutants.string(rng) + b"}}]"
        parts.append(b'"choices":' + rng.choice([filled, filled, b"[]", b"[ ]", b"null"]))
    if rng.random() < 0.5:
        parts.append(b'"usage":' + rng.choice(USAGE))
    rng.shuffle(parts)
    return b"{" + b",".join(parts) + b"}"


def stream(rng: random.Random) -> bytes:
    """A few events, comments and fields between lines that end in the same or in mixed ways."""
    eol = rng.choice(EOLS)
    out = bytearray()
    for _ in range(rng.randint(1, 6)):
        if rng.random() < 0.1:
            eol = rng.choice(EOLS)
        if rng.random() < 0.1:
            out += rng.choice([b": ping", b"event: x", b"id: 1", b"data", b"retry: 1"]) + eol
        out += rng.choice([b"data: ", b"data: ", b"data:", b"data:  "]) + event(rng) + eol
        if rng.random() < 0.95:
            out += eol
    body = bytes(out)
    if rng.random() < 0.1:
        body = mutants.damaged(rng, body, 1)
    return body[: rng.randrange(len(body) + 1)] if rng.random() < 0.1 else body


def cuts(rng: random.Random, size: int) -> list[int]:
    """Lengths of the pieces that a network might make of it."""
    most = rng.choice([2, 30, 80, 80, 200, 400]) if rng.random() < 0.2 else 400
    lengths: list[int] = []
    left = size
    while left > 0:
        lengths.append(rng.randint(0, most))
        left -= lengths[-1]
    return lengths


def lines(body: bytes) -> list[bytes]:
    """Lines without their ends, as the standard has it: LF, CR LF or CR alone."""
    return body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")


def usages(body: bytes) -> Iterator[bytes]:
    """Usage objects of the stream's events, in order, by a strict reader of JSON."""
    for line in lines(body):
        # No provider escapes the name; usage that came so would be estimated.
        if line.startswith(b"data:") and b'"usage"' in line:
            try:
                found = read(line[5:]).get("usage")
            except Refused:
                continue
            if isinstance(found, list) and type(found) is not list:
                yield orjson.dumps(orjson.loads(line[5:])["usage"])


def alone(line: bytes) -> bool:
    """True for an event with usage and nothing else for the caller."""
    if not line.startswith(b"data:") or b'"usage"' not in line:
        return False
    try:
        read(line[5:])
    except Refused:
        return False
    found = orjson.loads(line[5:])
    return isinstance(found.get("usage"), dict) and found.get("choices") == []


def check(scripts: Scripts, body: bytes, pieces: list[int]) -> None:
    """Compare what the gateway reads of the stream with what a strict reader does.

    Raises:
        AssertionError: they differ, or the way it was cut made a difference, or a byte was lost.
    """
    whole = scripts.answer(body, [], hide=False)
    assert whole.passed == body, "bytes were changed that nobody asked to hide"
    parts = scripts.answer(body, pieces, hide=False)
    assert parts.passed == body, "bytes were changed that nobody asked to hide"
    assert (parts.usage, parts.events) == (whole.usage, whole.events), "the cuts made a difference"
    expected = [usage for usage in usages(body) if len(usage) <= LIMIT]
    found = None if whole.usage is None else orjson.dumps(orjson.loads(whole.usage))
    assert found == (expected[-1] if expected else None), f"usage is {expected[-1:]}"
    hidden = scripts.answer(body, [piece for piece in pieces if piece], hide=True)
    assert (hidden.usage, hidden.events) == (whole.usage, whole.events), "hiding made a difference"
    torn = scripts.answer(body, pieces, hide=True)
    assert (torn.usage, torn.events) == (whole.usage, whole.events), "an empty chunk is no end"
    shown = [line for line in lines(hidden.passed) if line]
    *ended, last = lines(body)
    wanted = [line for line in [*(one for one in ended if not alone(one)), last] if line]
    assert shown == wanted, "another line was hidden than those with usage alone"


def run(scripts: Scripts, seed: str, count: int) -> int:
    """How many of so many streams had usage.

    Raises:
        AssertionError: what went wrong, with the stream and the cuts that repeat it.
    """
    rng = random.Random(f"streams {seed}")
    counted = 0
    for _ in range(count):
        body = stream(rng)
        pieces = cuts(rng, len(body))
        try:
            check(scripts, body, pieces)
        except (AssertionError, ValueError) as error:
            raise AssertionError(f"{error}\nbody = {body!r}\npieces = {pieces!r}") from error
        counted += next(usages(body), None) is not None
    return counted
