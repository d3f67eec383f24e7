"""Inputs: well-formed ones, and ones that are almost well-formed. All from a seeded generator."""

import json
import random
from collections.abc import Sequence

NAMES = [
    "model", "stream", "n", "max_tokens", "max_completion_tokens", "stream_options", "metadata",
    "messages", "input", "tools", "prompt", "seed", "temperature", "usage", "choices", "x", "",
    "Model", "MAX_TOKENS", "\u017ftream", "max_to\u212aens", "\u00e9", "file", "best_of", "type",
]  # fmt: skip
WORDS = [
    "fast", "", "a", "\u20ac", "\U0001f600", '"', "\\", "data: x", "\n", "\u2028", "image_url",
    '{"model":"b"}', "\ud7ff", "\ue000", "\uffff", "\x7f", "function",
]  # fmt: skip
NUMBERS = [
    b"0", b"-0", b"1", b"-1", b"1.0", b"2.50", b"1e5", b"1E-7", b"9007199254740993", b"1e308",
    b"1e309", b"-1e400", b"0.1e+2", b"123456789012345678901234567890", b"01", b"1.", b".5", b"+1",
    b"1" + b"0" * 308, b"1" + b"0" * 309, b"NaN", b"Infinity", b"-Infinity", b"0x10", b"1e",
]  # fmt: skip
PIECES = [
    b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\", b"\\u0065", b"\\ud800", b"\\udc00", b"\\u",
    b"\\u12", b"\0", b"\n", b"\r", b"\t", b" ", b"\xef\xbb\xbf", b"\xff", b"\xc0\xaf", b"\x80",
    b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf0\x9f\x98\x80", b"true", b"null", b"fals", b",}",
    b",]", b"{}", b"[[[[", b'"model":"b",', b'"mod\\u0065l":"c",', b"/**/", b"//", b"'", b"\x0c",
    b"\xe2\x80\xa8", b"\xc2\xa0", b"\x1f", b"\x7f",
]  # fmt: skip
SPACES = [b"", b"", b"", b"", b" ", b"\n", b"\t ", b"\r\n"]


def value(rng: random.Random, depth: int = 0) -> bytes:
    """Some JSON, now and then with a number that is none."""
    kind = rng.randrange(8 if depth < 4 else 5)
    if kind == 0:
        return rng.choice(NUMBERS[:12] if rng.random() < 0.97 else NUMBERS)
    if kind == 1:
        return rng.choice([b"true", b"false", b"null"])
    if kind <= 4:
        return string(rng)
    if kind == 5:
        inside = [value(rng, depth + 1) for _ in range(rng.randrange(4))]
        return b"[" + spaced(rng, inside) + b"]"
    return document(rng, depth + 1, rng.randrange(4))


def string(rng: random.Random, text: str | None = None) -> bytes:
    """A text as a JSON string, in one of its many spellings."""
    chosen = rng.choice(WORDS) if text is None else text
    plain = json.dumps(chosen, ensure_ascii=rng.random() < 0.5)
    if rng.random() < 0.15 and chosen:
        at = rng.randrange(len(chosen))
        units = chosen[at].encode("utf-16-be").hex()
        escaped = "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
        head, tail = json.dumps(chosen[:at])[:-1], json.dumps(chosen[at + 1 :])[1:]
        plain = head + escaped + tail
    return plain.encode()


def document(rng: random.Random, depth: int = 0, size: int | None = None) -> bytes:
    """An object; at the top mostly one with a model."""
    members = []
    names = [rng.choice(NAMES) for _ in range(rng.randrange(6) if size is None else size)]
    if depth == 0:
        if rng.random() < 0.95:
            names = [*dict.fromkeys(name for name in names if name.lower() != "model"), "model"]
        rng.shuffle(names)
    for name in names:
        space = rng.choice(SPACES)
        text = string(rng, "fast") if depth == 0 and name == "model" else value(rng, depth + 1)
        members.append(string(rng, name) + space + b":" + rng.choice(SPACES) + text)
    return b"{" + spaced(rng, members) + b"}"


def spaced(rng: random.Random, parts: Sequence[bytes]) -> bytes:
    """Parts between commas, white space here and there."""
    comma = rng.choice(SPACES) + b"," + rng.choice(SPACES)
    return rng.choice(SPACES) + comma.join(parts) + rng.choice(SPACES)


def damaged(rng: random.Random, text: bytes, times: int) -> bytes:
    """The text with pieces put in, taken out, doubled or moved."""
    body = bytearray(text)
    for _ in range(times):
        at = rng.randrange(len(body) + 1)
        end = min(len(body), at + rng.randint(1, 4))
        match rng.randrange(6):
            case 0:
                body[at:at] = rng.choice(PIECES)
            case 1:
                body[at:end] = b""
            case 2:
                body[at:end] = rng.choice(PIECES)
            case 3:
                body[at:at] = body[at : at + rng.randint(1, 12)]
            case 4:
                body[at:end] = bytes([rng.randrange(256)])
            case _:
                del body[at:]
                body += text[rng.randrange(len(text) + 1) :]
    return bytes(body)


def deep(rng: random.Random) -> bytes:
    """Nesting around what is allowed, and far beyond."""
    depth = rng.choice([62, 63, 64, 65, 1000, 20_000])
    opening, closing = rng.choice([(b"[", b"]"), (b'{"a":', b"}")])
    core = b"1" if opening != b"[" else b""
    return b'{"model":"fast","x":' + opening * depth + core + closing * depth + b"}"


def body(rng: random.Random) -> bytes:
    """A request's body: good, damaged a little, or noise."""
    roll = rng.random()
    if roll < 0.002:
        return deep(rng)
    if roll < 0.02:
        return rng.randbytes(rng.randrange(40))
    good = rng.choice(SPACES) + document(rng) + rng.choice(SPACES)
    return good if roll < 0.4 else damaged(rng, good, rng.randint(1, 3))
