"""Responses in the real Envoy: usage inside the last event, items that name what is kept."""

import json
from typing import Any

import pytest
from dataplane_kit import configs
from dataplane_kit.doubles import allow, deny
from dataplane_kit.gateway import Gateway
from dataplane_kit.http1 import Reply
from fuzz_kit.response_streams import USAGE, delta, report

SSE = {"content-type": "text/event-stream; charset=utf-8"}
PATH = "/v1/responses"


def sse(*events: str, eol: str = "\n") -> bytes:
    """A whole stream."""
    return "".join(one.replace("\n", eol) + eol + eol for one in events).encode()


def stream(gateway: Gateway, chunks: list[bytes | float]) -> tuple[bytes, dict[str, Any]]:
    """What the caller gets of these chunks, and the record."""
    gateway.agent.on_admit = lambda _: allow(configs.stream(), configs.plan())
    gateway.providers[0].on_call = lambda _: Reply(200, SSE, chunks=chunks)
    answer = gateway.post(PATH, {"model": "fast", "stream": True, "input": "x"})
    assert answer.status_code == 200
    return answer.content, gateway.record("r", answer.headers["x-request-id"])


EVENTS = (
    report("response.created", "null"),
    delta("a"),
    delta('say "usage": {} and .delta'),
    report("response.completed", USAGE, after=',"metadata":{}'),
)


@pytest.mark.parametrize("eol", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_a_stream_split_anywhere_is_read_the_same(gateway: Gateway, eol: str) -> None:
    """Same usage, same events, same bytes; every byte is split at in tests/fuzzing."""
    whole = sse(*EVENTS, eol=eol)
    at_usage = whole.rindex(b'"usage"')
    for at in sorted({*range(1, len(whole), 41), at_usage + 3, at_usage + 9, len(whole) - 1}):
        got, record = stream(gateway, [whole[:at], 0.001, whole[at:]])
        assert got == whole
        assert (record["u"], record["ev"], record["m"], record["done"]) == (USAGE, 2, '"pm"', 1), at


@pytest.mark.parametrize("kind", ["response.completed", "response.incomplete", "response.failed"])
@pytest.mark.parametrize("size", [70_000, 1_500_000])
def test_the_last_event_is_as_large_as_the_answer(gateway: Gateway, kind: str, size: int) -> None:
    """It repeats all of it; its usage is found at its end, whole or (over 1 MiB) in its tail."""
    output = f'"output":[{{"text":"{"x" * size}"}}],'
    whole = sse(delta("a"), report(kind, USAGE, before=output, after=',"user":null'))

    got, record = stream(gateway, [whole[i : i + 50_000] for i in range(0, len(whole), 50_000)])

    assert got == whole
    assert (record["u"], record["done"]) == (USAGE, 1)


def test_a_stream_that_ends_early_has_no_usage(gateway: Gateway) -> None:
    """Only what was seen counts."""
    _, record = stream(gateway, [sse(*EVENTS[:3])])

    assert (record["u"], record["ev"]) == (None, 2)


def test_a_whole_response_has_its_usage_at_the_top(gateway: Gateway) -> None:
    """As every other JSON answer."""
    text = f'{{"id":"r","object":"response","model":"pm","output":[],"usage":{USAGE}}}'.encode()
    gateway.agent.on_admit = lambda _: allow(configs.unary(), configs.plan())
    gateway.providers[0].on_call = lambda _: Reply(200, {"content-type": "application/json"}, text)

    answer = gateway.post(PATH, {"model": "fast", "input": "x"})

    assert answer.content == text
    assert gateway.record("r", answer.headers["x-request-id"])["u"] == USAGE


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"model":"a","x":1.0}', b'{"model":"m","store":false,"x":1.0}'),
        (b'{"model":"a","store":null}', b'{"model":"m","store":false}'),
        (b'{"store": null ,"model":"a"}', b'{"store": false ,"model":"m"}'),
        (b'{"metadata":{},"model":"a"}', b'{"model":"m","store":false}'),
        (b'{"model":"a","metadata":{}}', b'{"model":"m","store":false}'),
    ],
)
def test_storing_is_forbidden_in_place(gateway: Gateway, before: bytes, after: bytes) -> None:
    """One member is set; the rest stays byte for byte, beside what is dropped."""
    gateway.agent.on_admit = lambda _: allow(
        configs.unary(),
        configs.plan(),
        x_bw_model='"m"',
        x_bw_edit_set="store=false",
        **({"x_bw_edit_drop": "metadata"} if b"metadata" in before else {}),
    )

    gateway.post(PATH, before)

    received = gateway.providers[0].received[0]
    assert (received.path, received.body) == ("/base/v9/responses", after)


def test_a_further_attempt_has_its_own_model_and_cap(gateway: Gateway) -> None:
    """`max_output_tokens` is replaced where it stands in the first attempt's body."""
    gateway.agent.on_admit = lambda _: allow(
        configs.unary(),
        configs.plan(),
        x_bw_model='"m-a"',
        x_bw_edit_set="store=false",
        x_bw_edit_cap="max_output_tokens=50",
    )
    gateway.agent.on_attempt = lambda _: allow(
        "", [], x_bw_model='"model-b"', x_bw_edit_cap="max_output_tokens=7"
    )
    a, b = gateway.providers
    a.on_call = lambda _: Reply(503)

    gateway.post(PATH, b'{"input":"x","max_output_tokens":999,"model":"a"}')

    assert a.received[0].body == (
        b'{"input":"x","max_output_tokens":50,"model":"m-a","store":false}'
    )
    assert b.received[0].body == (
        b'{"input":"x","max_output_tokens":7,"model":"model-b","store":false}'
    )


MESSAGE = '{"role":"user","content":"x"}'


@pytest.mark.parametrize(
    ("items", "foreign"),
    [
        ('"a text"', False),
        ("null", False),
        ("[]", False),
        (f"[{MESSAGE}]", False),
        ('[{"type":"message","role":"user","content":"x"}]', False),
        ('[{"type":"function_call_output","call_id":"c","output":"x"}]', False),
        ('[{"type":"reasoning","id":"rs_1","encrypted_content":"x","summary":[]}]', False),
        ('[{"type":"item_reference","id":"msg_1"}]', True),
        (f'[{MESSAGE},{{"type":"item_reference","id":"msg_1"}}]', True),
        ('[{"id":"msg_1"}]', True),
        ('[{"type":null,"id":"msg_1"}]', True),
        ('[{"type":"item\\u005freference","id":"msg_1"}]', True),
        ('[{"type":"message","Type":"item_reference","role":"user"}]', True),
        ('[{"type":"message","type":"item_reference","role":"user"}]', True),
        ('[{"ty\\u0070e":"item_reference","role":"user"}]', True),
        ('[{"Type":"item_reference","role":"user"}]', True),
        ('[{"type":"mcp_approval_response","approval_request_id":"a","approve":true}]', True),
        ('[{"type":"additional_tools","tools":[{"type":"web_search"}]}]', True),
        ('["msg_1"]', True),
        ("[7]", True),
    ],
)
def test_items_that_name_what_is_kept_are_told(
    gateway: Gateway, items: str, *, foreign: bool
) -> None:
    """However the name is spelled; what cannot be read without doubt counts as one."""
    gateway.agent.on_admit = lambda _: deny(400, "asked")

    gateway.post(PATH, f'{{"model":"a","input":{items}}}'.encode())

    (asked,) = gateway.agent.admissions()
    assert asked.get("foreign_items", False) is foreign


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        (
            PATH,
            {"max_output_tokens": 5, "previous_response_id": "r", "prompt": 7},
            {"max_output_tokens": 5, "previous_response_id": "r", "prompt": 7},
        ),
        (PATH, {"conversation": {"id": "c" * 20_000}}, {"conversation": True}),
        ("/v1/completions", {"prompt": "a", "echo": True}, {"echo": True, "prompts": 1}),
        ("/v1/completions", {"prompt": ["a", "b", "c"]}, {"prompts": 3}),
        ("/v1/completions", {"prompt": [1, 2, 3]}, {"prompts": 1}),
        ("/v1/completions", {"prompt": [[1, 2], [3]]}, {"prompts": 2}),
        ("/v1/completions", {}, {"prompts": 1}),
        ("/v1/images/generations", {"prompt": "a", "n": 2, "partial_images": 1},
         {"n": 2, "partial_images": 1}),
        ("/v1/moderations", {"input": ["a", "b"]}, {}),
    ],
)  # fmt: skip
def test_the_agent_is_told_what_counts_at_each_endpoint(
    gateway: Gateway, path: str, body: dict[str, Any], told: dict[str, Any]
) -> None:
    """And nothing of the input."""
    gateway.agent.on_admit = lambda _: deny(400, "asked")

    gateway.post(path, {"model": "a", **body})

    (asked,) = gateway.agent.admissions()
    size = len(json.dumps({"model": "a", **body}))
    assert asked == {"path": path, "size": size, "opaque": False, "model": "a", **told}


@pytest.mark.parametrize("name", ["Previous_Response_Id", "CONVERSATION", "Max_output_tokens"])
def test_another_spelling_is_no_way_around(gateway: Gateway, name: str) -> None:
    """Some servers would read it as the same."""
    answer = gateway.post(PATH, {"model": "a", name: 1})

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_json"
    assert gateway.agent.asked == []


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_stream_that_is_cut_ends_as_incomplete(gateway: Gateway, size: int) -> None:
    """As at its cap: `response.incomplete` with the response as it began; usage is still read."""
    begun = '"tools":[],"status":"in_progress","incomplete_details":null,'
    words = [delta(f"w{number}") for number in range(8)]
    raw = sse(
        report("response.created", "null", before=begun),
        *words,
        report("response.completed", USAGE),
    )
    pieces: list[bytes | float] = [raw[at : at + size] for at in range(0, len(raw), size)]
    gateway.agent.on_admit = lambda _: allow(configs.stream(), configs.plan(), x_bw_cut="5")
    gateway.providers[0].on_call = lambda _: Reply(200, SSE, chunks=pieces)

    answer = gateway.post(PATH, {"model": "fast", "stream": True, "input": "x"})

    *told, last, rest = answer.text.split("\n\n")
    assert rest == ""
    assert told[1:] == words[:5]
    names = [line[7:] for line in last.splitlines() if line.startswith("event: ")]
    (data,) = (json.loads(line[6:]) for line in last.splitlines() if line.startswith("data: "))
    assert names[-1] == data["type"] == "response.incomplete"
    assert data["response"] == {
        "id": "r", "model": "pm", "tools": [], "status": "incomplete", "usage": None,
        "incomplete_details": {"reason": "max_output_tokens"},
    }  # fmt: skip
    record = gateway.record("r", answer.headers["x-request-id"])
    assert (record["u"], record["ev"], record["done"]) == (USAGE, 8, 1)
