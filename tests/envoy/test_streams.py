"""Answers on their way back: usage found, the rest untouched, nothing held that need not be."""

import json
import socket
import time

import pytest
from dataplane_kit import configs
from dataplane_kit.doubles import allow
from dataplane_kit.gateway import Gateway
from dataplane_kit.http1 import Reply

SSE = {"content-type": "text/event-stream; charset=utf-8"}
USAGE = '{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}'


def event(content: str, usage: str | None = "null") -> str:
    """A chunk as OpenAI sends it when usage is asked for."""
    tail = "" if usage is None else f',"usage":{usage}'
    delta = json.dumps({"content": content})
    return f'data: {{"id":"c","model":"pm","choices":[{{"index":0,"delta":{delta}}}]{tail}}}'


def usage_event() -> str:
    """The chunk with usage alone."""
    return f'data: {{"id":"c","model":"pm","choices":[],"usage":{USAGE}}}'


def sse(eol: str, *lines: str) -> bytes:
    """A whole stream."""
    return "".join(f"{line}{eol}{eol}" for line in lines).encode()


def stream(gateway: Gateway, chunks: list[bytes | float], *, hide: bool) -> tuple[bytes, str]:
    """What the caller gets of these chunks, and the stream id."""
    edit = "hide" if hide else "1"
    gateway.agent.on_admit = lambda _: allow(configs.stream(), configs.plan(), x_bw_edit_usage=edit)
    gateway.providers[0].on_call = lambda _: Reply(200, SSE, chunks=chunks)
    answer = gateway.chat({"model": "fast", "stream": True})
    assert answer.status_code == 200
    return answer.content, answer.headers["x-request-id"]


LINES = (
    event("a"),
    event('say "usage": {} and data: x'),
    event("\u20ac"),
    usage_event(),
    "data: [DONE]",
)


@pytest.mark.parametrize("eol", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize("hide", [False, True], ids=["shown", "hidden"])
def test_a_stream_split_anywhere_is_read_the_same(
    gateway: Gateway, *, eol: str, hide: bool
) -> None:
    """Wherever the network cuts it: same usage, same events, same bytes for the caller."""
    whole = sse(eol, *LINES)
    shown = sse(eol, *(line for line in LINES if line != usage_event())) if hide else whole
    splits = sorted({*range(1, len(whole), 17), whole.index(b'"usage":{"p') + 4, len(whole) - 1})

    for at in splits:
        got, stream_id = stream(gateway, [whole[:at], 0.001, whole[at:]], hide=hide)
        assert [one for one in got.decode().split(eol) if one] == [
            one for one in shown.decode().split(eol) if one
        ], at
        if not hide:
            assert got == whole
        record = gateway.record("r", stream_id)
        assert (record["u"], record["ev"], record["done"]) == (USAGE, 3, 1), at
        assert record["m"] == '"pm"'


def test_a_stream_cut_into_single_bytes(gateway: Gateway) -> None:
    """The worst network."""
    whole = sse("\r\n", *LINES)

    got, stream_id = stream(gateway, [whole[i : i + 1] for i in range(len(whole))], hide=True)

    assert b'"total_tokens"' not in got
    assert got.endswith(b"data: [DONE]\r\n\r\n")
    assert gateway.record("r", stream_id)["u"] == USAGE


def test_the_last_usage_wins(gateway: Gateway) -> None:
    """Some servers count up in every chunk, with content: those chunks are never hidden."""
    lines = [event("a", '{"total_tokens":1}'), event("b", '{"total_tokens":2}'), "data: [DONE]"]

    got, stream_id = stream(gateway, [sse("\n", *lines)], hide=True)

    assert got == sse("\n", *lines)
    assert gateway.record("r", stream_id)["u"] == '{"total_tokens":2}'


@pytest.mark.parametrize(
    "line",
    [
        'data: {"choices":[{"delta":{"usage":{"total_tokens":9}}}]}',
        'data: {"choices":[],"usage":null}',
        'data: {"choices":[],"usage":7}',
        'data: {"choices":[],"usage":{"total_tokens":9}',
        'data: {"choices":[],"usage":{"a":1},"usage":{"a":2}}',
        ': "usage":{"total_tokens":9}',
        'event: "usage":{"total_tokens":9}',
        'data: {"choices":[],"usage":{"x":"' + "y" * 3000 + '"}}',
    ],
)
def test_what_is_no_usage_is_not_taken_for_it(gateway: Gateway, line: str) -> None:
    """Nested, null, broken, ambiguous, a comment, or absurdly large."""
    got, stream_id = stream(gateway, [sse("\n", line, "data: [DONE]")], hide=False)

    assert got == sse("\n", line, "data: [DONE]")
    assert gateway.record("r", stream_id)["u"] is None


def test_an_event_over_several_lines_passes_uncounted(gateway: Gateway) -> None:
    """No provider writes its usage so: the bytes are passed on, and the call is estimated."""
    usage = f'data: {{"choices":[],\ndata: "usage":{USAGE}\ndata: }}'

    got, stream_id = stream(gateway, [sse("\n", usage, "data: [DONE]")], hide=True)

    assert got == sse("\n", usage, "data: [DONE]")
    assert gateway.record("r", stream_id)["u"] is None


def test_a_stream_that_ends_without_a_line_end(gateway: Gateway) -> None:
    """Usage in the last, unfinished line counts."""
    _, stream_id = stream(gateway, [(event("a") + "\n\n" + usage_event()).encode()], hide=False)

    assert gateway.record("r", stream_id)["u"] == USAGE


@pytest.mark.parametrize("hide", [False, True])
@pytest.mark.parametrize("last", ["data: [DONE]", "data: {", "dat"])
def test_nothing_behind_the_last_line_end_is_lost(
    gateway: Gateway, *, hide: bool, last: str
) -> None:
    """A provider that forgets the last line end: its last words reach the caller all the same."""
    whole = (event("a") + "\n\n" + last).encode()

    got, _ = stream(gateway, [whole[:-5], 0.01, whole[-5:]], hide=hide)

    assert got == whole


@pytest.mark.parametrize("size", [70_000, 900_000])
def test_usage_in_an_event_over_64_kb_is_read(gateway: Gateway, size: int) -> None:
    """Before it and behind it, in pieces: the event is the caller's, whole."""
    for line in (
        event("x" * size, USAGE),
        f'data: {{"id":"c","model":"pm","usage":{USAGE},"choices":[{{"x":"{"x" * size}"}}]}}',
    ):
        whole = sse("\n", event("a"), line, "data: [DONE]")
        pieces: list[bytes | float] = [whole[i : i + 16_000] for i in range(0, len(whole), 16_000)]

        got, stream_id = stream(gateway, pieces, hide=True)

        assert got == whole
        assert gateway.record("r", stream_id)["u"] == USAGE


@pytest.mark.parametrize("hide", [False, True])
def test_a_line_over_a_mebibyte_goes_by_unread(gateway: Gateway, *, hide: bool) -> None:
    """It is passed on, not held; what follows is read again."""
    giant = event("x" * 1_500_000, None)
    whole = sse("\n", giant, usage_event(), "data: [DONE]")
    pieces: list[bytes | float] = [whole[i : i + 300_000] for i in range(0, len(whole), 300_000)]

    got, stream_id = stream(gateway, pieces, hide=hide)

    assert giant.encode() in got
    assert (usage_event().encode() in got) is not hide
    assert gateway.record("r", stream_id)["u"] == USAGE


@pytest.mark.parametrize("hide", [False, True])
def test_what_shares_a_chunk_with_a_giant_lines_end_is_read(
    gateway: Gateway, *, hide: bool
) -> None:
    """Only the giant line goes by unread: usage right behind it is counted, and hidden if asked."""
    giant = event("x" * 1_500_000, None)
    tail = giant[-20:] + "\n\n" + usage_event() + "\n\n" + "data: [DONE]\n\n"

    got, stream_id = stream(gateway, [giant[:-20].encode(), 0.3, tail.encode()], hide=hide)

    assert gateway.record("r", stream_id)["u"] == USAGE
    assert giant.encode() in got
    assert (usage_event().encode() in got) is not hide


def test_events_are_not_held_back(gateway: Gateway) -> None:
    """An event is with the caller while the provider still thinks about the next one."""
    gateway.agent.on_admit = lambda _: allow(
        configs.stream(), configs.plan(), x_bw_edit_usage="hide"
    )
    first = (event("a") + "\n\n").encode()
    gateway.providers[0].on_call = lambda _: Reply(
        200, SSE, chunks=[first, 1.0, b"data: [DONE]\n\n"]
    )
    begun = time.monotonic()

    with gateway.http.stream(
        "POST", "/v1/chat/completions", json={"model": "a"}, headers=gateway.headers()
    ) as answer:
        got = next(answer.iter_raw())
        took = time.monotonic() - begun

    assert got == first
    assert took < 1.0


@pytest.mark.parametrize(
    "last",
    [(), (usage_event(),), (usage_event(), "data: [DONE]")],
    ids=["during", "after usage", "after the last event"],
)
def test_a_caller_who_hangs_up_leaves_what_was_seen(
    gateway: Gateway, last: tuple[str, ...]
) -> None:
    """The record has events, bytes and, where it came by, usage; clients close at `[DONE]`."""
    sent = sse("\n", event("a"), event("b"), *last)
    gateway.agent.on_admit = lambda _: allow(configs.stream(), configs.plan(), x_bw_edit_usage="1")
    gateway.providers[0].on_call = lambda _: Reply(200, SSE, chunks=[sent, 5.0, b": later\n\n"])
    awaited = last[-1].encode() if last else b'"b"'

    body = b'{"model":"a"}'
    token = gateway.headers()["authorization"].encode()
    with socket.create_connection(("127.0.0.1", gateway.port)) as wire:
        wire.settimeout(10)
        wire.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"authorization: " + token + b"\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        )
        got = b""
        while awaited not in got:
            got += wire.recv(65536)
    stream_id = got.split(b"x-request-id: ")[1].split(b"\r\n")[0].decode()

    record = gateway.record("r", stream_id)
    assert (record["ev"], record["done"]) == (2, None)
    assert record["eb"] == len(event("a")) + len(event("b"))
    assert record["u"] == (USAGE if last else None)
    assert "DC" in record["f"]
    assert gateway.record("a", stream_id)["tx"] > 0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"model":"a"}', b'{"model":"m","stream_options":{"include_usage":true}}'),
        (
            b'{"model":"a","stream_options":null}',
            b'{"model":"m","stream_options":{"include_usage":true}}',
        ),
        (
            b'{"stream_options": { } ,"model":"a"}',
            b'{"stream_options": {"include_usage":true } ,"model":"m"}',
        ),
        (
            b'{"stream_options":{"x":1},"model":"a"}',
            b'{"stream_options":{"include_usage":true,"x":1},"model":"m"}',
        ),
        (
            b'{"stream_options":{"include_usage": false},"model":"a"}',
            b'{"stream_options":{"include_usage": true},"model":"m"}',
        ),
        (
            b'{"stream_options":{"include_usage":true},"model":"a"}',
            b'{"stream_options":{"include_usage":true},"model":"m"}',
        ),
    ],
)
def test_usage_is_asked_for(gateway: Gateway, before: bytes, after: bytes) -> None:
    """Whatever the caller says of it; the rest of his options stays."""
    gateway.agent.on_admit = lambda _: allow(
        configs.stream(), configs.plan(), x_bw_model='"m"', x_bw_edit_usage="1"
    )

    gateway.chat(before)

    assert gateway.providers[0].received[0].body == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"metadata":{"a":1},"model":"a","x":1}', b'{"model":"m","x":1}'),
        (b'{"model":"a", "metadata" : {} , "x":1}', b'{"model":"m", "x":1}'),
        (b'{"model":"a","x":1 ,"metadata":{}}', b'{"model":"m","x":1}'),
        (b'{"model":"a","store":true,"metadata":{}}', b'{"model":"m"}'),
        (b'{"store":true,"metadata":{},"model":"a"}', b'{"model":"m"}'),
        (b'{"store":true,"model":"a","metadata":{} }', b'{"model":"m" }'),
    ],
)
def test_members_are_taken_out(gateway: Gateway, before: bytes, after: bytes) -> None:
    """Wherever they stand, commas included."""
    gateway.agent.on_admit = lambda _: allow(
        configs.unary(), configs.plan(), x_bw_model='"m"', x_bw_edit_drop="metadata,store"
    )

    gateway.chat(before)

    assert gateway.providers[0].received[0].body == after


def unary(gateway: Gateway, reply: Reply) -> tuple[int, bytes, str]:
    """Status, body and stream id of a unary call."""
    gateway.agent.on_admit = lambda _: allow(configs.unary(), configs.plan()[:1])
    gateway.providers[0].on_call = lambda _: reply
    answer = gateway.chat({"model": "fast"})
    return answer.status_code, answer.content, answer.headers["x-request-id"]


@pytest.mark.parametrize("size", [10, 100_000, 6_000_000])
def test_usage_of_a_unary_answer(gateway: Gateway, size: int) -> None:
    """At its end, whatever its size; a nested one of the same name is none."""
    nested = '{"usage":{"total_tokens":99}}'
    text = f'{{"data":[{nested},"{"x" * size}"],"model":"pm","usage":{USAGE},"x":{{}}}}'.encode()

    status, body, stream_id = unary(gateway, Reply(200, {"content-type": "application/json"}, text))

    assert (status, body) == (200, text)
    record = gateway.record("r", stream_id)
    assert (record["u"], record["done"]) == (USAGE, 1)


@pytest.mark.parametrize("size", [10, 6_000_000])
def test_a_nested_usage_is_none(gateway: Gateway, size: int) -> None:
    """Only a top-level member counts."""
    text = f'{{"x":"{"x" * size}","choices":[{{"usage":{USAGE}}}]}}'.encode()

    _, body, stream_id = unary(gateway, Reply(200, {"content-type": "application/json"}, text))

    assert body == text
    assert gateway.record("r", stream_id)["u"] is None


def test_a_coded_answer_passes_uncounted(gateway: Gateway) -> None:
    """A provider that codes its answer unasked is passed on as it is."""
    coded = {"content-type": "application/json", "content-encoding": "gzip"}
    gateway.agent.on_admit = lambda _: allow(configs.unary(), configs.plan())
    gateway.providers[0].on_call = lambda _: Reply(200, coded, b"\x1f\x8bnot really")
    with gateway.http.stream(
        "POST",
        "/v1/chat/completions",
        json={"model": "a"},
        headers=gateway.headers() | {"accept-encoding": "gzip"},
    ) as answer:
        got = b"".join(answer.iter_raw())

    assert got == b"\x1f\x8bnot really"
    assert "accept-encoding" not in gateway.providers[0].received[0].headers
    record = gateway.record("r", answer.headers["x-request-id"])
    assert (record["u"], record["done"]) == (None, 1)


def test_headers_of_the_provider_are_hidden(gateway: Gateway) -> None:
    """What he says of his account stays here; the gateway's own figures are shown."""
    own = {
        "content-type": "application/json",
        "x-ratelimit-remaining-tokens": "CANARY",
        "openai-organization": "CANARY",
        "x-request-id": "CANARY",
        "set-cookie": "CANARY=1",
        "server": "CANARY",
        "alt-svc": "CANARY",
        "x-bw-agent": "CANARY",
        "x-envoy-upstream-service-time": "CANARY",
        "location": "CANARY",
    }
    gateway.agent.on_admit = lambda _: allow(
        configs.unary(), configs.plan(), x_ratelimit_remaining_tokens="41"
    )
    gateway.providers[0].on_call = lambda _: Reply(200, own, b"{}")

    answer = gateway.chat({"model": "a"})

    assert "CANARY" not in str(answer.headers)
    assert answer.headers["x-ratelimit-remaining-tokens"] == "41"


@pytest.mark.parametrize("status", [301, 307, 401, 403, 407])
def test_the_gateways_own_troubles_are_not_the_callers(gateway: Gateway, status: int) -> None:
    """A refused key or a redirect of the provider is a 502 without the provider's words."""
    words = b'{"error":{"message":"Incorrect API key provided: sk-CANARY"}}'
    headers = {"content-type": "application/json", "location": "https://CANARY"}

    got, body, stream_id = unary(gateway, Reply(status, headers, words))

    assert got == 502
    assert json.loads(body)["error"]["code"] == "upstream_error"
    assert b"CANARY" not in body
    assert gateway.record("a", stream_id)["s"] == status


@pytest.mark.parametrize("status", [400, 404, 422])
def test_other_errors_of_the_provider_pass(gateway: Gateway, status: int) -> None:
    """They speak of the request, and are not counted."""
    words = f'{{"error":{{"message":"no"}},"usage":{USAGE}}}'.encode()

    got, body, stream_id = unary(
        gateway, Reply(status, {"content-type": "application/json"}, words)
    )

    assert (got, body) == (status, words)
    assert gateway.record("r", stream_id)["u"] is None
