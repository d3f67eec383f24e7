"""Bad input at every endpoint: the same answers as for chat, and what is each endpoint's own."""

import gzip
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "acceptance"))

from documents import backend, provider, route, tenant
from running import CountingProvider, Up, running, wait_for

GOOD: dict[str, dict[str, Any]] = {
    "responses": {"model": "fast", "input": "hi", "max_output_tokens": 5},
    "completions": {"model": "fast", "prompt": "hi", "max_tokens": 5},
    "embeddings": {"model": "fast", "input": "hi"},
    "moderations": {"model": "fast", "input": "hi"},
    "images/generations": {"model": "fast", "prompt": "hi", "n": 1},
}
ENDS = tuple(GOOD)


class World:
    """A gateway, a caller, and the provider that counts."""

    def __init__(self, up: Up, source: CountingProvider) -> None:
        self.up, self.source = up, source
        self.client = httpx.Client(
            base_url=up.url(), timeout=60, headers={"authorization": f"Bearer {up.token()}"}
        )

    def send(self, end: str, body: bytes, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(
            f"/v1/{end}", content=body, headers={"content-type": "application/json", **named}
        )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One gateway for the module."""
    folder = tmp_path_factory.mktemp("endpoints")
    source = CountingProvider("a", folder)
    up = Up(folder)
    documents = [
        tenant(),
        provider("a", source.port),
        route("fast", backend("a")),
        route("others", backend("a"), teams=["support"]),
    ]
    try:
        with running(up, documents):
            found = World(up, source)
            yield found
            found.client.close()
    finally:
        source.stop()


def good(end: str, **more: Any) -> bytes:
    """A call that would pass, with these members changed or added."""
    return json.dumps({**GOOD[end], **more}).encode()


def beside(end: str, text: bytes) -> bytes:
    """A call that would pass, with this text before its closing brace."""
    return good(end)[:-1] + text + b"}"


def broken(end: str) -> dict[str, tuple[bytes, int, str]]:
    """What is bad at every endpoint, by name."""
    whole = good(end)
    return {
        "duplicate keys": (beside(end, b', "model": "fast"'), 400, "invalid_json"),
        "duplicate keys, one escaped": (beside(end, b', "mod\\u0065l": "x"'), 400, "invalid_json"),
        "trailing comma": (whole[:-1] + b",}", 400, "invalid_json"),
        "byte order mark": (b"\xef\xbb\xbf" + whole, 400, "invalid_json"),
        "NaN": (beside(end, b', "x": NaN'), 400, "invalid_json"),
        "invalid UTF-8": (beside(end, b', "x": "\xff"'), 400, "invalid_json"),
        "deep nesting": (
            beside(end, b', "x": ' + b"[" * 99 + b"]" * 99), 400, "invalid_json",
        ),
        "empty": (b"", 400, "invalid_json"),
        "truncated": (whole[:-2], 400, "invalid_json"),
        "an array": (b"[" + whole + b"]", 400, "invalid_json"),
        "over the limit": (beside(end, b', "x": "' + b"y" * 17_000_000 + b'"'), 413,
                           "request_too_large"),
        "no model": (
            json.dumps({k: v for k, v in GOOD[end].items() if k != "model"}).encode(), 400,
            "missing_required_parameter",
        ),
        "unknown model": (good(end, model="nothing"), 404, "model_not_found"),
        "model in other case": (good(end, model="Fast"), 404, "model_not_found"),
        "other team's model": (good(end, model="others"), 403, "model_not_allowed"),
        "member name in other case": (beside(end, b', "Stream": true'), 400, "invalid_json"),
        "stream as a text": (good(end, stream="yes"), 400, "invalid_type"),
        "an address": (good(end, base_url="http://x"), 400, "unsupported_parameter"),
        "other models": (good(end, models=["x"]), 400, "unsupported_parameter"),
        "stored": (good(end, store=True), 400, "unsupported_parameter"),
        "a tag that is none": (good(end, metadata={"x": "y"}), 400, "unknown_tag"),
    }  # fmt: skip


NAMES = tuple(broken("responses"))
ABSURD: dict[str, tuple[str, dict[str, Any], str]] = {
    "max_output_tokens of zero": ("responses", {"max_output_tokens": 0}, "invalid_value"),
    "negative max_output_tokens": ("responses", {"max_output_tokens": -1}, "invalid_value"),
    "max_output_tokens as a float": ("responses", {"max_output_tokens": 1.5}, "invalid_type"),
    "absurd max_output_tokens": ("responses", {"max_output_tokens": 2**31}, "invalid_value"),
    "max_tokens of zero": ("completions", {"max_tokens": 0}, "invalid_value"),
    "absurd n of prompts": ("completions", {"n": 10**9}, "invalid_value"),
    "best_of below n": ("completions", {"n": 3, "best_of": 2}, "invalid_value"),
    "negative best_of": ("completions", {"best_of": -1}, "invalid_value"),
    "echo as a text": ("completions", {"echo": "yes"}, "invalid_type"),
    "absurd n of images": ("images/generations", {"n": 10**9}, "invalid_value"),
    "n of images as a float": ("images/generations", {"n": 1.0}, "invalid_type"),
    "negative n of images": ("images/generations", {"n": -2}, "invalid_value"),
    "a stream of images": ("images/generations", {"stream": True}, "unsupported_parameter"),
    "drafts of images": ("images/generations", {"partial_images": 3}, "unsupported_parameter"),
    "a stream of moderations": ("moderations", {"stream": True}, "unsupported_parameter"),
    "an item that is kept": (
        "responses", {"input": [{"type": "item_reference", "id": "x"}]}, "unsupported_parameter",
    ),
    "an image of unknown size": (
        "responses",
        {"model": "fast", "input": [{"role": "user", "content": [
            {"type": "input_image", "image_url": "https://x"}]}]},
        "",
    ),
}  # fmt: skip


def check(world: World, answer: httpx.Response, status: int, code: str, seen: int) -> None:
    """Its own status and code, in OpenAI's shape, and the provider hears nothing of it."""
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code), error
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert len(world.source.attempts()) == seen


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", NAMES)
def test_bad_input_gets_a_clear_answer(world: World, end: str, name: str) -> None:
    """At each endpoint as at every other."""
    seen = len(world.source.attempts())
    body, status, code = broken(end)[name]

    check(world, world.send(end, body), status, code, seen)


@pytest.mark.parametrize(("end", "members", "code"), ABSURD.values(), ids=ABSURD.keys())
def test_absurd_figures(world: World, end: str, members: dict[str, Any], code: str) -> None:
    """What only this endpoint has; an empty code stands for a call that passes."""
    seen = len(world.source.attempts())

    answer = world.send(end, good(end, **members))

    if code:
        check(world, answer, 400, code, seen)
    else:
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("end", ENDS)
def test_what_is_no_json_is_415(world: World, end: str) -> None:
    """Another media type, or a coded body."""
    seen = len(world.source.attempts())
    for answer in (
        world.send(end, good(end), content_type="text/plain"),
        world.send(end, gzip.compress(good(end)), content_encoding="gzip"),
    ):
        check(world, answer, 415, "unsupported_media_type", seen)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("size", [33_000, 10_000_000])
def test_large_bodies_pass(world: World, end: str, size: int) -> None:
    """33 kB and 10 MB."""
    answer = world.send(end, beside(end, b', "x": "' + b"y" * size + b'"'))

    assert answer.status_code == 200, answer.text[:300]


@pytest.mark.parametrize("end", ENDS)
def test_unknown_fields_pass_byte_for_byte(world: World, end: str) -> None:
    """Only the model's name is changed, and what the endpoint's row in docs/endpoints.md says."""
    extra = b',"seed": 9007199254740993, "a": 1.0,"b":2.50 ,"c" : 1E5, "d": "\\u00e9\\/"'

    answer = world.send(end, beside(end, extra))

    assert answer.status_code == 200
    seen = wait_for(
        "its attempt",
        lambda: next(
            (a for a in world.source.attempts() if a["id"] == answer.headers["x-request-id"]), None
        ),
    )
    set_ = b'"m","store":false' if end == "responses" else b'"m"'
    expected = beside(end, extra).replace(b'"fast"', set_)
    assert seen["body_sha256"] == hashlib.sha256(expected).hexdigest()
    assert seen["path"] == f"/v1/{end}"


def test_nothing_is_lost(world: World) -> None:
    """After all of this each attempt that the provider saw has one row, and there are no others."""
    attempts = {attempt["id"] for attempt in world.source.attempts()}
    rows = wait_for("every row", lambda: (r := world.up.rows()) and len(r) == len(attempts) and r)

    assert {row["stream_id"] for row in rows} == attempts
    assert {row["state"] for row in rows} == {"settled"}
