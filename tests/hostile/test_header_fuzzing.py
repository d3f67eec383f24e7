"""Headers that almost are the gateway's own, in every spelling that a socket can carry."""

import random

from dataplane_kit.gateway import Gateway
from hostile.wire import BODY, Wire, answers, request

NAMES = [
    "x-bw-jwt", "x-bw-route", "x-bw-a1", "x-bw-id", "x-bw-credential", "x-bw-endpoint",
    "x-envoy-attempt-count", "x-envoy-retry-on", "x-request-id", "x-forwarded-proto",
    "x-bailiwick-tags", "authorization", "api-key", "cookie", "host", "accept", "te", "trailer",
    "connection", "proxy-connection", "keep-alive", "upgrade", "expect", "range", "x",
    ":path", ":authority", ":method", "transfer-encoding", "content-length", "content-encoding",
]  # fmt: skip
CHANGES = [
    "_",
    " ",
    "\t",
    "\0",
    "\x7f",
    "\xa0",
    "\xad",
    "\u00df",
    ":",
    ";",
    ",",
    "-",
    "\x0b",
    "\r",
    ".",
]
VALUES = ["CANARY", "CANARY, CANARY", '"CANARY"', "CANARY\t", " CANARY", "\xffCANARY", "CANARY\x01"]


def spelling(rng: random.Random) -> bytes:
    """One header line, mostly one that an internal header could be mistaken for."""
    name = list(rng.choice(NAMES))
    for _ in range(rng.choice([0, 0, 1, 2])):
        at = rng.randrange(len(name) + 1)
        if rng.random() < 0.5:
            name.insert(at, rng.choice(CHANGES))
        elif at < len(name):
            name[at] = rng.choice(CHANGES) if rng.random() < 0.5 else name[at].upper()
    line = "".join(name) + rng.choice([":", ": ", ":\t", " :", "::"]) + rng.choice(VALUES)
    return line.encode("latin-1", "replace") + rng.choice([b"\r\n"] * 9 + [b"\n"])


def test_no_spelling_of_a_header_is_taken_for_an_internal_one(gateway: Gateway) -> None:
    """Six hundred requests with odd headers: refused, or served without a trace of them."""
    rng = random.Random("headers")
    token = gateway.headers()
    statuses: dict[int, int] = {}
    for _ in range(600):
        gateway.agent.asked.clear()
        gateway.providers[0].received.clear()
        lines = b"".join(spelling(rng) for _ in range(rng.randint(1, 3)))
        head, body = request(token).split(b"\r\n\r\n")
        with Wire(gateway.port) as wire:
            wire.send(head + b"\r\n" + lines + b"\r\n" + body)
            got = wire.until(lambda text: b"\r\n\r\n" in text)
        seen = answers(got)
        assert len(seen) <= 1, lines
        for status in seen:
            statuses[status] = statuses.get(status, 0) + 1
        assert b"x-bw-" not in got.lower(), lines
        for one in (*gateway.agent.asked, *gateway.providers[0].received):
            hidden = {
                name: value
                for name, value in one.headers.items()
                # What a caller may send on, or is told to the agent as data.
                if name not in {"accept", "content-type"}
            }
            assert "CANARY" not in str(hidden), lines
        if seen != [200]:
            assert gateway.providers[0].received == [], lines
        else:
            assert len(gateway.providers[0].received) == 1, lines

    assert statuses.pop(200) > 100
    assert set(statuses) <= {400, 401, 403, 408, 413, 415, 417, 426, 431, 501}, statuses
    assert gateway.chat(BODY).status_code == 200
