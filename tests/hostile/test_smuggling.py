"""Two parsers, one connection: no bytes of a caller are read as one request here and two there."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from dataplane_kit import configs
from dataplane_kit.doubles import allow
from dataplane_kit.gateway import Gateway
from hostile.wire import BODY, HEAD, Wire, answers, request

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nhost: x\r\nx: CANARY\r\n\r\n"
LENGTH = b"content-length: %d\r\n" % len(BODY)
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
CHUNKED = b"transfer-encoding: chunked\r\n"

REFUSED = {
    "CL.TE": (LENGTH + CHUNKED, b"0\r\n\r\n" + SMUGGLED),
    "TE.CL": (CHUNKED + LENGTH, CHUNKS + SMUGGLED),
    "CL.TE with a zero length": (b"content-length: 0\r\n" + CHUNKED, CHUNKS + SMUGGLED),
    "TE.TE, the second unknown": (CHUNKED + b"transfer-encoding: x\r\n", CHUNKS + SMUGGLED),
    "TE.TE, the first unknown": (b"transfer-encoding: x\r\n" + CHUNKED, CHUNKS + SMUGGLED),
    "unknown coding": (b"transfer-encoding: xchunked\r\n", CHUNKS),
    "chunked, then identity": (b"transfer-encoding: chunked, identity\r\n", CHUNKS),
    "coding in quotes": (b'transfer-encoding: "chunked"\r\n', CHUNKS),
    "coding behind a vertical tab": (b"transfer-encoding: \x0bchunked\r\n", CHUNKS),
    "space before the colon": (b"transfer-encoding : chunked\r\n", CHUNKS),
    "tab before the colon": (b"content-length\t: 13\r\n", BODY),
    "name with a space": (b"x y: z\r\n" + LENGTH, BODY),
    "empty name": (b": z\r\n" + LENGTH, BODY),
    "two lengths": (b"content-length: 1\r\n" + LENGTH, BODY),
    "two equal lengths": (LENGTH + LENGTH, BODY),
    "list of lengths": (b"content-length: 13, 13\r\n", BODY),
    "length with a plus": (b"content-length: +13\r\n", BODY),
    "negative length": (b"content-length: -13\r\n", BODY),
    "length in hex": (b"content-length: 0xd\r\n", BODY),
    "length with a fraction": (b"content-length: 13.0\r\n", BODY),
    "length with a space in it": (b"content-length: 1 3\r\n", BODY),
    "length beyond 64 bits": (b"content-length: 18446744073709551629\r\n", BODY),
    "empty length": (b"content-length:\r\n", BODY),
    "nul in a value": (b"x: a\0b\r\n" + LENGTH, BODY),
    "chunk size is no number": (CHUNKED, b"zz\r\n" + BODY),
    "chunk size is negative": (CHUNKED, b"-d\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "chunk size beyond 64 bits": (CHUNKED, b"1" + b"0" * 16 + b"d\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "chunk size with 0x": (CHUNKED, b"0xd\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "chunk without its end": (CHUNKED, b"d\r\n" + BODY + b"X0\r\n\r\n"),
    "chunk longer than said": (CHUNKED, b"5\r\n" + BODY + b"\r\n0\r\n\r\n"),
}


def call(
    gateway: Gateway, headers: bytes, body: bytes, head: bytes = HEAD, *, patience: float = 4
) -> list[int]:
    """Statuses of all answers until the door closes, or waits for more for so many seconds."""
    token = f"authorization: {gateway.headers()['authorization']}\r\n".encode()
    with Wire(gateway.port) as wire:
        wire.socket.settimeout(patience)
        wire.send(head + token + b"connection: close\r\n" + headers + b"\r\n" + body)
        return answers(wire.rest())


HEADS = {
    "two spaces": b"POST  /v1/chat/completions HTTP/1.1\r\nhost: x\r\n",
    "space in the path": b"POST /v1/chat/completions /x HTTP/1.1\r\nhost: x\r\n",
    "no version": b"POST /v1/chat/completions\r\nhost: x\r\n",
    "HTTP/1.0": b"POST /v1/chat/completions HTTP/1.0\r\nhost: x\r\n",
    "HTTP/1.2": b"POST /v1/chat/completions HTTP/1.2\r\nhost: x\r\n",
    "HTTP/2.0 as text": b"POST /v1/chat/completions HTTP/2.0\r\nhost: x\r\n",
    "no host": b"POST /v1/chat/completions HTTP/1.1\r\n",
    "unknown method": b"POSTX /v1/chat/completions HTTP/1.1\r\nhost: x\r\n",
    "nul in the path": b"POST /v1/chat/completions\0 HTTP/1.1\r\nhost: x\r\n",
    "fragment in the path": b"POST /v1/chat/completions#x HTTP/1.1\r\nhost: x\r\n",
    "authority form": b"CONNECT x:80 HTTP/1.1\r\nhost: x\r\n",
    "asterisk form": b"OPTIONS * HTTP/1.1\r\nhost: x\r\n",
    "trace": b"TRACE /v1/chat/completions HTTP/1.1\r\nhost: x\r\n",
    "upgrade": b"GET / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n",
}  # fmt: skip


@pytest.fixture(scope="module")
def refused(shared_gateway: Gateway) -> dict[str, list[int]]:
    """Statuses by case, all sent at once: Envoy takes a second to close what it refused."""
    shared_gateway.agent.on_admit = lambda _: allow(configs.unary(), configs.plan()[:1])
    cases = {name: (headers, body, HEAD) for name, (headers, body) in REFUSED.items()}
    cases |= {name: (LENGTH, BODY, head) for name, head in HEADS.items()}
    with ThreadPoolExecutor(len(cases)) as pool:
        running = {name: pool.submit(call, shared_gateway, *one) for name, one in cases.items()}
        got = {name: one.result() for name, one in running.items()}
    assert shared_gateway.agent.asked == []
    assert [one for provider in shared_gateway.providers for one in provider.received] == []
    return got


@pytest.mark.parametrize("name", REFUSED)
def test_ambiguous_framing_is_refused_and_the_connection_closed(
    refused: dict[str, list[int]], name: str
) -> None:
    """One answer of 4xx at most, nobody behind the door hears of it, and nothing follows."""
    assert refused[name] in ([400], [413], [501], [])


FORWARDED = {
    "accept", "content-type", "content-length", "host", "user-agent", "x-request-id",
    "x-envoy-attempt-count", "x-envoy-expected-rq-timeout-ms",
}  # fmt: skip
ONE_REQUEST = {
    "extension of a chunk": (CHUNKED, b"d;x=y\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "leading zeros": (CHUNKED, b"0000d\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "trailer": (CHUNKED, b"d\r\n" + BODY + b"\r\n0\r\nx-bw-route: CANARY\r\n\r\n"),
    "coding in capitals": (b"transfer-encoding: CHUNKED\r\n", CHUNKS),
    "folded header": (b"x: a\r\n b\r\n" + LENGTH, BODY),
    "folded transfer-encoding": (b"transfer-encoding:\r\n chunked\r\n", CHUNKS),
    "folded first line": (b" x: a\r\n" + LENGTH, BODY),
    "carriage return in a value": (b"x: a\rtransfer-encoding: chunked\r\n" + LENGTH, BODY),
    "two hosts": (b"host: y\r\n" + LENGTH, BODY),
    "length with white space around": (b"content-length:  13 \r\n", BODY),
}


@pytest.mark.parametrize(("headers", "body"), ONE_REQUEST.values(), ids=ONE_REQUEST.keys())
def test_unusual_framing_is_one_request(gateway: Gateway, headers: bytes, body: bytes) -> None:
    """What the standard allows, and what Envoy's parser puts up with: one request, as its own.

    The provider gets a request that was made anew: none of the caller's headers, one length.
    """
    got = call(gateway, headers, body)

    assert got in ([200], [400]), got
    if got == [200]:
        (received,) = gateway.providers[0].received
        assert json.loads(received.body) == {"model": "provider-model"}
        assert not received.has("CANARY")
        assert "transfer-encoding" not in received.headers
        assert set(received.headers) <= FORWARDED
    else:
        assert gateway.providers[0].received == []


@pytest.mark.parametrize("name", HEADS)
def test_odd_request_lines_lead_nowhere(refused: dict[str, list[int]], name: str) -> None:
    """Whatever the first line says, nobody behind the door hears of it."""
    assert all(400 <= status < 500 for status in refused[name])


def test_bare_line_feeds_are_one_request(gateway: Gateway) -> None:
    """Envoy reads them as line ends, and nobody behind it sees them."""
    head, body = request(gateway.headers()).split(b"\r\n\r\n")
    with Wire(gateway.port) as wire:
        wire.send(head.replace(b"\r\n", b"\n") + b"\nconnection: close\n\n" + body)
        got = answers(wire.rest())

    assert got == [200]
    (received,) = gateway.providers[0].received
    assert set(received.headers) <= FORWARDED


def test_pipelined_requests_are_answered_in_order(gateway: Gateway) -> None:
    """Two whole requests in one packet are two requests, each with a token of its own."""
    token = gateway.headers()
    with Wire(gateway.port) as wire:
        wire.send(request(token) + request({"connection": "close"}))
        got = answers(wire.rest())

    assert got == [200, 401]
    assert len(gateway.providers[0].received) == 1
