"""Bad input gets a clear answer and loses nothing: on a whole gateway, before a counting provider.

More spellings of it, at the door alone: tests/envoy/test_refusals.py. Forged tokens:
tests/acceptance/test_callers.py.
"""

import gzip
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "acceptance"))

from documents import backend, provider, route, tenant
from running import CountingProvider, Up, running, wait_for


class World:
    """A gateway, two teams' tokens and the provider that counts."""

    def __init__(self, up: Up, source: CountingProvider) -> None:
        self.up, self.source = up, source
        self.search, self.support = up.token(), up.token(team="support")
        self.client = httpx.Client(base_url=up.url(), timeout=30)

    def send(
        self, body: bytes | dict[str, Any], token: str | None = None, **headers: str
    ) -> httpx.Response:
        """A chat completion of team search."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        merged = {
            "authorization": f"Bearer {token or self.search}",
            "content-type": "application/json",
            **named,
        }
        return self.client.post("/v1/chat/completions", content=content, headers=merged)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One gateway for the module."""
    folder = tmp_path_factory.mktemp("hostile")
    source = CountingProvider("a", folder)
    up = Up(folder)
    documents = [
        tenant(),
        provider("a", source.port),
        route("fast", backend("a"), teams=["search", "support"]),
        route("search-only", backend("a"), teams=["search"]),
    ]
    try:
        with running(up, documents):
            found = World(up, source)
            yield found
            found.client.close()
    finally:
        source.stop()


def said(text: str = "hi", **more: Any) -> dict[str, Any]:
    """A good call."""
    return {
        "model": "fast",
        "max_tokens": 5,
        "messages": [{"role": "user", "content": text}],
        **more,
    }


GOOD = json.dumps(said()).encode()
BAD = {
    "duplicate keys": (GOOD[:-1] + b',"model":"fast"}', 400, "invalid_json"),
    "duplicate keys, escaped": (GOOD[:-1] + b',"mod\\u0065l":"fast"}', 400, "invalid_json"),
    "trailing comma": (GOOD[:-1] + b",}", 400, "invalid_json"),
    "byte order mark": (b"\xef\xbb\xbf" + GOOD, 400, "invalid_json"),
    "NaN": (GOOD[:-1] + b',"temperature":NaN}', 400, "invalid_json"),
    "invalid UTF-8": (GOOD.replace(b"hi", b"\xff"), 400, "invalid_json"),
    "UTF-16": (GOOD.decode().encode("utf-16-le"), 400, "invalid_json"),
    "deep nesting": (
        GOOD[:-1] + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        400,
        "invalid_json",
    ),
    "empty": (b"", 400, "invalid_json"),
    "truncated": (GOOD[:-10], 400, "invalid_json"),
    "array": (b"[" + GOOD + b"]", 400, "invalid_json"),
    "string": (b'"x"', 400, "invalid_json"),
    "no model": (b'{"messages":[]}', 400, "missing_required_parameter"),
    "absurd n": (json.dumps(said(n=10**9)).encode(), 400, "invalid_value"),
    "n of zero": (json.dumps(said(n=0)).encode(), 400, "invalid_value"),
    "negative n": (json.dumps(said(n=-1)).encode(), 400, "invalid_value"),
    "n as a float": (GOOD[:-1] + b',"n":1.0}', 400, "invalid_type"),
    "n as a text": (json.dumps(said(n="2")).encode(), 400, "invalid_type"),
    "absurd max_tokens": (json.dumps(said(max_tokens=2**31)).encode(), 400, "invalid_value"),
    "max_tokens beyond 64 bits": (
        json.dumps(said(max_tokens=10**30)).encode(),
        400,
        "invalid_type",
    ),
    "max_tokens of zero": (json.dumps(said(max_tokens=0)).encode(), 400, "invalid_value"),
    "negative max_tokens": (json.dumps(said(max_tokens=-5)).encode(), 400, "invalid_value"),
    "max_tokens as a float": (json.dumps(said(max_tokens=1.5)).encode(), 400, "invalid_type"),
    "max_tokens in powers of ten": (
        GOOD.replace(b'"max_tokens": 5', b'"max_tokens": 1e2'),
        400,
        "invalid_type",
    ),
    "both maxima, not equal": (
        json.dumps(said(max_completion_tokens=6)).encode(),
        400,
        "conflicting_parameters",
    ),
    "stream as a text": (json.dumps(said(stream="true")).encode(), 400, "invalid_type"),
    "stored answer": (json.dumps(said(store=True)).encode(), 400, "unsupported_parameter"),
    "predicted output": (
        json.dumps(said(prediction={"type": "content", "content": "x"})).encode(),
        400,
        "unsupported_parameter",
    ),
    "web search": (json.dumps(said(web_search_options={})).encode(), 400, "unsupported_parameter"),
    "the provider's tools": (
        json.dumps(said(tools=[{"type": "web_search"}])).encode(),
        400,
        "unsupported_parameter",
    ),
    "another base URL": (
        json.dumps(said(api_base="http://169.254.169.254")).encode(),
        400,
        "unsupported_parameter",
    ),
    "other models to fall back to": (
        json.dumps(said(models=["gpt-5-pro"])).encode(),
        400,
        "unsupported_parameter",
    ),
    "unknown model": (json.dumps(said(model="gpt-9")).encode(), 404, "model_not_found"),
    "model in other case": (json.dumps(said(model="Fast")).encode(), 404, "model_not_found"),
    "model with a space behind": (json.dumps(said(model="fast ")).encode(), 404, "model_not_found"),
    "model in wide letters": (json.dumps(said(model="\uff46ast")).encode(), 404, "model_not_found"),
    "model with an invisible letter": (
        json.dumps(said(model="fa\u200bst")).encode(),
        404,
        "model_not_found",
    ),
    "the provider's own name of it": (json.dumps(said(model="m")).encode(), 404, "model_not_found"),
    "model as a list": (json.dumps(said(model=["fast"])).encode(), 400, "invalid_type"),
    "member name in other case": (GOOD[:-1] + b',"Max_Tokens":9}', 400, "invalid_json"),
}


@pytest.mark.parametrize(("body", "status", "code"), BAD.values(), ids=BAD.keys())
def test_bad_input_gets_a_clear_answer(world: World, body: bytes, status: int, code: str) -> None:
    """Its own status and code, in OpenAI's shape, and the provider hears nothing of it."""
    seen = len(world.source.attempts())

    answer = world.send(body)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert answer.headers["x-request-id"]
    assert len(world.source.attempts()) == seen


def test_other_teams_model(world: World) -> None:
    """403 for a team that the route does not list; what it may use is served."""
    refused = world.send(said(model="search-only"), world.support)

    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "model_not_allowed")
    assert world.send(said(), world.support).status_code == 200


@pytest.mark.parametrize("media", ["text/plain", "application/xml", "multipart/form-data"])
def test_wrong_content_type(world: World, media: str) -> None:
    """415, and it says what to send."""
    answer = world.send(said(), content_type=media)

    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")
    assert "application/json" in answer.json()["error"]["message"]


def test_gzip_request_body(world: World) -> None:
    """415: the gateway reads bodies as they are, and passes none that it did not read."""
    answer = world.send(gzip.compress(GOOD), content_encoding="gzip")

    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("size", [33_000, 10_000_000])
def test_large_bodies_pass(world: World, size: int) -> None:
    """33 kB and 10 MB are served, and their input is counted by the provider's own figures."""
    answer = world.send(said("y" * size))

    assert answer.status_code == 200, answer.text[:300]
    stream = answer.headers["x-request-id"]
    (row,) = wait_for(
        "its row", lambda: [row for row in world.up.rows() if row["stream_id"] == stream]
    )
    assert row["state"] == "settled"
    assert int(row["input_tokens"]) >= size // 4


def test_over_the_limit(world: World) -> None:
    """413 beyond 16 MiB."""
    answer = world.send(said("y" * 17_000_000))

    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")


def test_unknown_fields_pass_byte_for_byte(world: World) -> None:
    """Numbers keep their spelling, unknown members their bytes: no value is ever written anew."""
    extra = (
        b'"seed": 9007199254740993, "a": 1.0,"b":2.50 ,"c" : 1E5, "d": "\\u00e9\\/",'
        b' "e":{"z":1,"y":-0}'
    )
    told = json.dumps({"keep": True})
    body = json.dumps(said(told)).encode()[:-1] + b"," + extra + b"}"

    answer = world.send(body)

    assert answer.status_code == 200
    attempt = wait_for(
        "its attempt",
        lambda: next(
            (a for a in world.source.attempts() if a["id"] == answer.headers["x-request-id"]), None
        ),
    )
    expected = body.replace(b'"model": "fast"', b'"model": "m"')
    assert attempt["body_sha256"] == hashlib.sha256(expected).hexdigest()


INTERNAL = [
    "x-bw-jwt", "x-bw-id", "x-bw-route", "x-bw-plan", "x-bw-model", "x-bw-credential", "x-bw-a1",
    "x-bw-a2", "x-bw-a3", "x-bw-a4", "x-bw-a5", "x-bw-credential-header", "x-bw-cut", "x-bw-names",
    "x-bw-edit-cap", "x-bw-edit-drop", "x-bw-edit-set", "x-bw-edit-usage", "x-bw-replay",
    "x-bw-tiers", "x-bw-status", "x-bw-protocol", "x-bw-endpoint", "x-bw-agent", "x-bw-attempt",
    "x-bw-backend", "X-BW-JWT", "x-request-id", "x-envoy-attempt-count", "x-envoy-retry-on",
    "x-envoy-max-retries", "x-envoy-upstream-rq-timeout-ms", "x-envoy-original-path",
    "x-envoy-decorator-operation", "x-envoy-force-trace", "x-forwarded-for", "x-forwarded-proto",
    "x-forwarded-client-cert", "api-key", "x-api-key", "x-goog-api-key", "cookie",
]  # fmt: skip


def test_no_internal_header_is_left_out() -> None:
    """Each name that the gateway's own parts read or write is tried below."""
    source = Path(__file__).parents[2] / "sidecar" / "bailiwick_sidecar"
    texts = [one.read_text() for kind in ("*.py", "*.lua") for one in source.rglob(kind)]
    used = {name for text in texts for name in re.findall(r"x-bw-[a-z0-9-]*[a-z0-9]", text)}

    assert "x-bw-jwt" in used
    # What attempts' headers begin with; their numbers follow.
    assert used - {"x-bw-a"} <= set(INTERNAL)


@pytest.mark.parametrize("name", INTERNAL)
def test_spoofing_of_every_internal_header(world: World, name: str) -> None:
    """It changes neither who calls, nor where the call goes, and reaches no provider."""
    payload = world.search.split(".")[1]
    for value in (payload, "1", "search-only"):
        refused = world.send(said(model="search-only"), world.support, **{name: value})
        assert refused.status_code in {400, 403}, refused.text
        bare = world.client.post("/v1/chat/completions", json=said(), headers={name: value})
        assert bare.status_code in {400, 401}, bare.text
    answer = world.send(said(), **{name: "CANARY"})
    if answer.status_code == 200:
        seen = wait_for(
            "its attempt",
            lambda: next(
                (a for a in world.source.attempts() if a["id"] == answer.headers["x-request-id"]),
                None,
            ),
        )
        allowed = {"x-request-id", "x-envoy-attempt-count", "x-bw-a1"}
        assert name.lower() not in set(seen["headers"]) - allowed
    else:
        assert answer.status_code == 400


def test_two_authorization_headers(world: World) -> None:
    """Neither order lets one token vouch for the other: refused, or served as the one it names."""
    for first, second in ((world.search, world.support), (world.support, world.search)):
        answer = world.client.post(
            "/v1/chat/completions",
            json=said(model="search-only"),
            headers=[("authorization", f"Bearer {first}"), ("authorization", f"Bearer {second}")],
        )
        assert answer.status_code in {400, 401, 403}, answer.status_code
    joined = world.send(said(), f"{world.search}, Bearer {world.support}")
    assert joined.status_code == 401


def test_nothing_is_lost(world: World) -> None:
    """After all of this each attempt that the provider saw has one row, and there are no others."""
    attempts = {attempt["id"] for attempt in world.source.attempts()}
    rows = wait_for("every row", lambda: (r := world.up.rows()) and len(r) == len(attempts) and r)

    assert {row["stream_id"] for row in rows} == attempts
    assert {row["state"] for row in rows} == {"settled"}
