"""What the door refuses, in OpenAI's shape, before the agent or a provider hears of it."""

import json
import socket
import time

import httpx
import pytest
from dataplane_kit import configs
from dataplane_kit.doubles import allow, deny
from dataplane_kit.gateway import Gateway, Signer

INVALID = {
    "empty": b"",
    "white space": b"  \n",
    "array": b"[1]",
    "string": b'"x"',
    "number": b"1",
    "null": b"null",
    "truncated object": b'{"model":"a"',
    "truncated string": b'{"model":"a',
    "truncated escape": b'{"model":"a\\',
    "truncated word": b'{"a":tru',
    "byte order mark": b'\xef\xbb\xbf{"model":"a"}',
    "duplicate": b'{"model":"a","model":"b"}',
    "escaped duplicate": b'{"model":"a","mod\\u0065l":"b"}',
    "duplicate but for case": b'{"model":"a","Model":"b"}',
    "wrong case alone": b'{"model":"a","Max_Tokens":1}',
    "kelvin sign": '{"model":"a","max_to\u212aens":1}'.encode(),
    "trailing comma": b'{"model":"a",}',
    "nested trailing comma": b'{"model":"a","x":[1,2,]}',
    "leading comma": b'{,"model":"a"}',
    "double comma in array": b'{"x":[1,,2]}',
    "missing colon": b'{"model" "a"}',
    "missing value": b'{"model":}',
    "two documents": b'{"model":"a"}{"model":"b"}',
    "garbage behind": b'{"model":"a"} x',
    "nul behind": b'{"model":"a"}\0',
    "comment": b'{"model":"a"/*x*/}',
    "single quotes": b"{'model':'a'}",
    "bare name": b'{model:"a"}',
    "nan": b'{"x":NaN}',
    "infinity": b'{"x":-Infinity}',
    "plus": b'{"x":+1}',
    "leading zero": b'{"x":01}',
    "bare fraction": b'{"x":.5}',
    "open fraction": b'{"x":1.}',
    "open exponent": b'{"x":1e}',
    "hex": b'{"x":0x10}',
    "beyond a double": b'{"x":1e400}',
    "minus alone": b'{"x":-}',
    "upper case word": b'{"x":True}',
    "long word": b'{"x":nulls}',
    "newline in string": b'{"x":"a\nb"}',
    "tab in string": b'{"x":"a\tb"}',
    "nul in string": b'{"x":"a\0b"}',
    "bad escape": b'{"x":"\\x41"}',
    "short unicode escape": b'{"x":"\\u12"}',
    "lone high surrogate": b'{"x":"\\ud800"}',
    "lone low surrogate": b'{"x":"\\udc00"}',
    "surrogates in the wrong order": b'{"x":"\\udc00\\ud800"}',
    "invalid utf-8": b'{"x":"\xff"}',
    "overlong utf-8": b'{"x":"\xc0\xaf"}',
    "surrogate in utf-8": b'{"x":"\xed\xa0\x80"}',
    "beyond unicode": b'{"x":"\xf4\x90\x80\x80"}',
    "cut utf-8": b'{"x":"\xe2\x82"}',
    "utf-8 outside a string": '{"x":\u00e9}'.encode(),
    "too deep": b'{"x":' + b"[" * 64 + b"]" * 64 + b"}",
    "mismatched": b'{"x":[1}',
    "unbalanced": b'{"x":{"y":1}}}',
}


@pytest.mark.parametrize("body", INVALID.values(), ids=INVALID.keys())
def test_a_body_that_is_no_strict_json_is_refused(gateway: Gateway, body: bytes) -> None:
    """What one parser could read otherwise than another goes no further."""
    answer = gateway.chat(body)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_json"
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert gateway.agent.asked == []
    assert gateway.providers[0].received == []


VALID = {
    "white space everywhere": b' { "model" : "a" , "x" : [ 1 , { } , [ ] ] } \r\n\t',
    "every escape": b'{"model":"a","x":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00"}',
    "utf-8": '{"model":"a","x":"\u00e9\u20ac\U0001f600"}'.encode(),
    "numbers": b'{"model":"a","x":[0,-0,1,-1.5,2.50,1E5,1e-5,9007199254740993,-0.0e+10]}',
    "deep": b'{"model":"a","x":' + b"[" * 63 + b"]" * 63 + b"}",
    "json in json": b'{"model":"a","x":"{\\"model\\":\\"b\\",\\"y\\":[\\"\\\\\\\\\\"]}"}',
    "escaped name": b'{"mod\\u0065l":"a","x":1}',
    "nested duplicates": b'{"model":"a","x":{"model":1,"model":2}}',
    "words": b'{"model":"a","x":[true,false,null]}',
    "empty name": b'{"model":"a","":1}',
}


@pytest.mark.parametrize("body", VALID.values(), ids=VALID.keys())
def test_a_strict_body_passes_byte_for_byte(gateway: Gateway, body: bytes) -> None:
    """Only what the agent asked for is changed: here the model's name."""
    gateway.agent.on_admit = lambda _: allow(configs.unary(), configs.plan(), x_bw_model='"a"')

    assert gateway.chat(body).status_code == 200
    assert gateway.providers[0].received[0].body == body


@pytest.mark.parametrize(
    "media",
    [
        "",
        "text/plain",
        "application/jsonx",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ],
)
def test_another_media_type_is_refused(gateway: Gateway, media: str) -> None:
    """Only application/json is read."""
    answer = gateway.chat(b"{}", content_type=media)

    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "media", ["application/json; charset=utf-8", "Application/JSON", "application/json ;x=y"]
)
def test_parameters_of_the_media_type_are_allowed(gateway: Gateway, media: str) -> None:
    """As RFC 9110 has them."""
    gateway.agent.on_admit = lambda _: deny(429, "asked")

    assert gateway.chat(b'{"model":"a"}', content_type=media).status_code == 429


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "deflate", "gzip, identity", "x"])
def test_a_coded_body_is_refused(gateway: Gateway, coding: str) -> None:
    """The gateway reads bodies as they are."""
    answer = gateway.chat(b"{}", content_encoding=coding)

    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/chat/completions"),
        ("PUT", "/v1/chat/completions"),
        ("POST", "/v1/chat/completions/"),
        ("POST", "/v1/chat/completions/x"),
        ("POST", "/V1/chat/completions"),
        ("POST", "/v1/images/edits"),
        ("POST", "/v1/files"),
        ("POST", "/v1/models"),
        ("POST", "/v1/responses/resp_1/cancel"),
        ("GET", "/v1/responses/resp_1"),
        ("DELETE", "/v1/responses/resp_1"),
        ("DELETE", "/v1/models"),
        ("GET", "/v1/models/x"),
        ("GET", "/"),
        ("GET", "/admit"),
        ("POST", "/admit"),
        ("POST", "/attempt"),
        ("POST", "/answer"),
        ("POST", "/healthz"),
    ],
)
def test_every_other_path_or_method_is_not_found(gateway: Gateway, method: str, path: str) -> None:
    """Nothing is passed through that is not metered."""
    answer = gateway.http.request(
        method,
        path,
        headers=gateway.headers() | {"content-type": "application/json"},
        content=b"{}",
    )

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert gateway.agent.asked == []
    assert gateway.providers[0].received == []


def test_a_query_is_dropped(gateway: Gateway) -> None:
    """Nothing of it reaches the provider or the record."""
    gateway.agent.on_admit = lambda _: allow(configs.unary(), configs.plan())

    answer = gateway.http.post(
        "/v1/chat/completions?api-version=CANARY&key=CANARY",
        json={"model": "a"},
        headers=gateway.headers(),
    )

    assert answer.status_code == 200
    assert gateway.providers[0].received[0].path == "/base/v9/chat/completions"
    assert gateway.record("r", answer.headers["x-request-id"])["p"] == "/v1/chat/completions"


@pytest.mark.parametrize("size", [32_769, 10_000_000, 16 * 1024 * 1024 - 200])
def test_large_bodies_pass(gateway: Gateway, size: int) -> None:
    """Up to 16 MiB a body arrives whole, model and cap spliced."""
    gateway.agent.on_admit = lambda _: allow(
        configs.unary(), configs.plan(), x_bw_edit_cap="max_tokens=5"
    )
    body = b'{"model":"a","x":"' + b"y" * (size - 20) + b'"}'

    answer = gateway.chat(body)

    assert answer.status_code == 200, answer.text
    assert gateway.agent.admissions()[0]["size"] == len(body)
    assert len(gateway.providers[0].received[0].body) == len(body) + len(
        b'"provider-model"' + b',"max_tokens":5'
    ) - len(b'"a"')


def test_a_chunked_body_passes(gateway: Gateway) -> None:
    """A body whose length is not told in advance is as good."""
    gateway.agent.on_admit = lambda _: allow(configs.unary(), configs.plan())
    headers = gateway.headers() | {"content-type": "application/json"}

    answer = gateway.http.post(
        "/v1/chat/completions", content=iter([b'{"model"', b':"a"}']), headers=headers
    )

    assert answer.status_code == 200
    assert gateway.providers[0].received[0].body == b'{"model":"provider-model"}'


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_16_mib_is_refused(gateway: Gateway, *, chunked: bool) -> None:
    """Whether its length is told or not."""
    body = b'{"model":"a","x":"' + b"y" * (16 * 1024 * 1024) + b'"}'
    headers = gateway.headers() | {"content-type": "application/json"}
    content = (body[i : i + 65536] for i in range(0, len(body), 65536)) if chunked else body

    try:
        answer = gateway.http.post("/v1/chat/completions", content=content, headers=headers)
    except httpx.WriteError:
        pytest.fail("the answer must arrive before the connection is cut")

    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")
    assert gateway.agent.asked == []


def claims(**changes: object) -> dict[str, object]:
    """Claims of a token that differs from a good one by these."""
    return changes


BAD_TOKENS = {
    "expired": claims(exp=int(time.time()) - 120),
    "no expiry": claims(exp=None),
    # A day: the table is made long before the last tests of a whole run use it.
    "not yet valid": claims(nbf=int(time.time()) + 86_400),
    "other issuer": claims(iss="https://evil.test"),
    "no issuer": claims(iss=None),
    "other audience": claims(aud="other"),
    "no audience": claims(aud=None),
}


@pytest.mark.parametrize("changes", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
def test_a_token_that_does_not_hold_is_refused(
    gateway: Gateway, changes: dict[str, object]
) -> None:
    """Issuer, audience and times are checked before anything is read."""
    answer = gateway.http.post(
        "/v1/chat/completions", json={"model": "a"}, headers=gateway.headers(**changes)
    )

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert "Jwt" in answer.json()["error"]["message"]
    assert gateway.agent.asked == []


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer x", "Basic dTpw", "sk-123", "Bearer a.b.c"],
)
def test_no_token_is_refused(gateway: Gateway, authorization: str | None) -> None:
    """Also on paths that do not exist, and it leaves a record."""
    headers = {} if authorization is None else {"authorization": authorization}

    for method, path in (("POST", "/v1/chat/completions"), ("GET", "/v1/models"), ("GET", "/nope")):
        answer = gateway.http.request(method, path, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")

    record = gateway.record("r", answer.headers["x-request-id"])
    assert record["s"] == 401
    assert record["c"].startswith("jwt_authn_access_denied")


def test_a_foreign_key_is_refused(gateway: Gateway) -> None:
    """A key id that the issuer does not publish, or a signature by another key."""
    for kid in ("k1", "unknown"):
        forged = Signer(kid).token()
        answer = gateway.http.get("/v1/models", headers={"authorization": f"Bearer {forged}"})
        assert answer.status_code == 401


SPOOFS = [
    "x-bw-jwt",
    "x-bw-id",
    "x-bw-route",
    "x-bw-a1",
    "X-BW-A2",
    "x-bw-anything",
    "x-request-id",
    "x-envoy-attempt-count",
    "x-envoy-retry-on",
    "x-envoy-max-retries",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-internal",
    "x-envoy-original-path",
]


@pytest.mark.parametrize("name", SPOOFS)
def test_internal_headers_of_a_caller_are_gone(gateway: Gateway, name: str) -> None:
    """Neither the agent nor a provider sees them, once or twice, and they change no attempt."""
    gateway.agent.on_admit = lambda _: allow(configs.unary(), configs.plan())
    headers = [(name, "CANARY"), (name, "CANARY"), *gateway.headers().items()]

    answer = gateway.http.post("/v1/chat/completions", json={"model": "a"}, headers=headers)

    assert answer.status_code == 200
    assert answer.headers["x-request-id"] != "CANARY"
    assert not any(one.has("CANARY") for one in gateway.agent.asked)
    assert not gateway.providers[0].received[0].has("CANARY")


def test_internal_headers_do_not_reach_the_agent_on_open_paths(gateway: Gateway) -> None:
    """Nobody claims to be verified where no token is asked for."""
    answer = gateway.http.get("/readyz", headers={"x-bw-jwt": "CANARY", "x-bw-id": "CANARY"})

    assert answer.text == "ready"
    assert not gateway.agent.asked[0].has("CANARY")


LENGTH = b"content-length"


def raw(gateway: Gateway, data: bytes) -> bytes:
    """What the door answers to these bytes."""
    with socket.create_connection(("127.0.0.1", gateway.port)) as wire:
        wire.settimeout(10)
        wire.sendall(data)
        answer = b""
        while piece := wire.recv(65536):
            answer += piece
    return answer


@pytest.mark.parametrize(
    "head",
    [
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx_bw_jwt: y\r\n\r\n",
        b"POST /v1%2fchat%2fcompletions HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /readyz%5c..%5cadmit HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
        + LENGTH
        + b": 1\r\n"
        + LENGTH
        + b": 2\r\n\r\n{}",
        b"POST /v1/models HTTP/1.1\r\nhost: x\r\n"
        + LENGTH
        + b": 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
    ],
)
def test_ambiguous_http_is_refused(gateway: Gateway, head: bytes) -> None:
    """Underscores, escaped slashes, two lengths: 400, and nobody behind the door hears of it."""
    assert raw(gateway, head).startswith(b"HTTP/1.1 400 ")
    assert gateway.agent.asked == []


def test_paths_are_normalised_before_the_token_is_asked_for(gateway: Gateway) -> None:
    """No detour leads from an open path to a closed one."""
    for path in (b"/healthz/../v1/models", b"//v1/models", b"/readyz/../v1/usage", b"/./v1/models"):
        answer = raw(gateway, b"GET " + path + b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 401 "), path
    assert gateway.agent.asked == []


def test_health_needs_no_token(gateway: Gateway) -> None:
    """Envoy answers by itself, leaves no record and shows no banner."""
    answer = gateway.http.get("/healthz")

    assert answer.status_code == 200
    assert "server" not in answer.headers
    assert "x-envoy-upstream-service-time" not in answer.headers


def test_own_paths_reach_the_agent_with_the_callers_claims(gateway: Gateway) -> None:
    """Models and usage are the agent's to tell; the token itself goes no further."""
    for path in ("/v1/models", "/v1/usage"):
        answer = gateway.http.get(path, headers=gateway.headers())
        assert answer.json() == {"path": path}
        assert "x-bw-agent" not in answer.headers
        asked = gateway.agent.asked[-1]
        assert asked.headers["x-bw-jwt"]
        assert "authorization" not in asked.headers


def test_a_refusal_of_the_agent_arrives_as_it_is(gateway: Gateway) -> None:
    """Status, body and the headers meant for the caller; nothing internal."""
    gateway.agent.on_admit = lambda _: deny(
        429, "rate_limit_exceeded", retry_after="12", x_ratelimit_remaining_tokens="0", x_bw_x="1"
    )

    answer = gateway.chat({"model": "a"})

    assert answer.status_code == 429
    assert answer.json()["error"]["code"] == "rate_limit_exceeded"
    assert answer.headers["retry-after"] == "12"
    assert answer.headers["x-ratelimit-remaining-tokens"] == "0"
    assert answer.headers["x-request-id"] == gateway.agent.asked[0].headers["x-bw-id"]
    assert not [name for name in answer.headers if name.startswith("x-bw-")]
    assert gateway.providers[0].received == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 500, 503])
def test_statuses_of_the_agent_are_not_rewritten(gateway: Gateway, status: int) -> None:
    """Rules for Envoy's own answers leave the agent's alone."""
    gateway.agent.on_admit = lambda _: deny(status, "from_the_agent")

    answer = gateway.chat({"model": "a"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, "from_the_agent")


def test_what_the_agent_is_asked(gateway: Gateway) -> None:
    """Decisive members arrive as the caller wrote them, the rest does not arrive."""
    gateway.agent.on_admit = lambda _: deny(429, "asked")
    body = (
        b'{"model":"fast","stream" : true,"n":1,"max_tokens":7,"messages":[{"role":"user",'
        b'"content":"SECRET"}],"metadata":{"feature_name":"x"},"temperature":0.5}'
    )

    gateway.chat(body, x_bailiwick_tags='customer="\u00e4"'.encode())

    asked = gateway.agent.admissions()[0]
    assert asked == {
        "path": "/v1/chat/completions",
        "size": len(body),
        "opaque": False,
        "model": "fast",
        "stream": True,
        "n": 1,
        "max_tokens": 7,
        "metadata": {"feature_name": "x"},
        "tags": 'customer="\u00e4"',
    }
    assert not gateway.agent.asked[0].has("SECRET")


@pytest.mark.parametrize(
    ("content", "opaque"),
    [
        ('"an image_url, or \\"image_url\\": as text"', False),
        ('[{"type":"text","text":"file"}]', False),
        ('[{"type":"image_url","image_url":{"url":"https://x"}}]', True),
        ('[{"type":"image_url","image\\u005furl":{"url":"https://x"}}]', True),
        ('[{"type":"input_audio","input_audio":{}}]', True),
        ('[{"type":"file","file":{"file_id":"f"}}]', True),
        ('[{"type":"document_url","document_url":"https://x"}]', True),
        ('[{"type":"image","source":{"type":"url","url":"https://x"}}]', True),
        ('[{"inline_data":{"data":""}}]', True),
        ('"","audio":{"id":"a1"}', True),
    ],
)
def test_input_of_unknown_weight_is_told(gateway: Gateway, *, content: str, opaque: bool) -> None:
    """What the body's size does not bound is named, also where an escape hides it."""
    gateway.agent.on_admit = lambda _: deny(429, "asked")
    tools = '[{"function":{"parameters":{"properties":{"file":{"type":"string"}}}}}]'

    gateway.chat(
        f'{{"model":"a","tools":{tools},"messages":[{{"role":"user","content":{content}}}]}}'.encode()
    )

    assert gateway.agent.admissions()[0]["opaque"] is opaque


@pytest.mark.parametrize(
    ("tools", "told"),
    [
        ("null", None),
        ("[]", None),
        ('[{"type":"function","function":{"parameters":{"type":"object"}}}]', None),
        ('[ {"type":"custom"} , {"type" : "function"} ]', None),
        ('[{"type":"web_search_preview"}]', ["web_search_preview"]),
        ('[{"type":"function"},{"type":"mcp","x":[{"type":"function"}]}]', ["mcp"]),
        ('[{"type":"functio\\u006e"}]', ["function"]),
        ('[{"name":"x"}]', [None]),
        ('[{"type":"function","Type":"mcp"}]', [None]),
        ("[1]", [None]),
        ('{"type":"function"}', [None]),
        ('"function"', [None]),
        ('[{"type":"' + "x" * 100 + '"}]', [None]),
        ("[" + ",".join(['{"type":"x"}'] * 20) + "]", ["x"] * 8),
    ],
)
def test_tools_that_the_provider_runs_are_told(
    gateway: Gateway, *, tools: str, told: list[str | None] | None
) -> None:
    """The agent learns of every tool that is not the caller's own; schemas are not looked into."""
    gateway.agent.on_admit = lambda _: deny(429, "asked")

    gateway.chat(f'{{"model":"a","tools":{tools}}}'.encode())

    assert gateway.agent.admissions()[0].get("tools") == told


@pytest.mark.parametrize(
    ("member", "opaque"),
    [
        ('"prompt":{"id":"pmpt_1"}', True),
        ('"prompt":"text"', False),
        ('"chat_template":"{{ x }}"', True),
    ],
)
def test_input_made_elsewhere_is_told(gateway: Gateway, *, member: str, opaque: bool) -> None:
    """A stored prompt or a template of the caller's makes input that his body does not bound."""
    gateway.agent.on_admit = lambda _: deny(429, "asked")

    gateway.chat(f'{{"model":"a",{member}}}'.encode())

    assert gateway.agent.admissions()[0]["opaque"] is opaque


@pytest.mark.parametrize("name", ["web_search_options", "plugins", "models", "api_base"])
@pytest.mark.parametrize("size", [1, 20_000])
def test_members_that_bring_something_in_are_told(
    gateway: Gateway, *, name: str, size: int
) -> None:
    """Of any size; they are the agent's to refuse."""
    gateway.agent.on_admit = lambda _: deny(429, "asked")

    gateway.chat({"model": "a", name: {"x": "y" * size}})

    assert gateway.agent.admissions()[0][name] == ({"x": "y"} if size == 1 else True)


def test_an_oversized_member_is_refused(gateway: Gateway) -> None:
    """What the agent decides on stays small."""
    answer = gateway.chat({"model": "a", "metadata": {"x": "y" * 20_000}})

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")


def test_every_refusal_is_json(gateway: Gateway) -> None:
    """As the official client expects it, with its request's id."""
    answer = gateway.http.get("/nope", headers=gateway.headers())

    assert answer.headers["content-type"].startswith("application/json")
    assert set(json.loads(answer.content)["error"]) == {"message", "type", "param", "code"}
    assert answer.headers["x-request-id"]
