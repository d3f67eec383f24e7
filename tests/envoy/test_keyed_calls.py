"""Calls with an Idempotency-Key in the real Envoy: what the agent hears, and what it may answer."""

import json
import time
from typing import Any

import pytest
from dataplane_kit import configs
from dataplane_kit.doubles import allow, completion, deny
from dataplane_kit.gateway import Gateway
from dataplane_kit.http1 import Received, Reply

BODY: dict[str, Any] = {"model": "fast", "messages": []}
JSON = {"content-type": "application/json"}


def kept(gateway: Gateway) -> list[Received]:
    """What the agent was told to keep."""
    return [one for one in gateway.agent.asked if one.path == "/answer"]


def test_the_agent_hears_of_the_key_and_the_answer(gateway: Gateway) -> None:
    """The provider hears of neither key nor hash."""
    gateway.agent.on_admit = lambda _: allow(configs.unary(), configs.plan())
    answer = gateway.chat(BODY, idempotency_key="CANARY-1")

    (asked,) = gateway.agent.admissions()
    assert asked["key"] == "CANARY-1"
    assert len(asked["digest"]) == 32
    (told,) = kept(gateway)
    assert told.body == answer.content == completion().body
    assert told.headers["x-bw-id"] == answer.headers["x-request-id"]
    assert told.headers["x-bw-status"] == "200"
    assert told.headers["content-type"] == "application/json"
    assert not gateway.providers[0].received[0].has("CANARY-1")
    assert not gateway.providers[0].received[0].has(asked["digest"])
    assert gateway.record("r", answer.headers["x-request-id"])["done"] == 1


def test_without_a_key_nothing_is_told(gateway: Gateway) -> None:
    """Nor asked."""
    gateway.agent.on_admit = lambda _: allow(configs.unary(), configs.plan())
    assert gateway.chat(BODY).status_code == 200

    assert kept(gateway) == []
    assert not {"key", "digest"} & gateway.agent.admissions()[0].keys()


@pytest.mark.parametrize("chunked", [False, True])
def test_who_has_his_answer_can_have_it_again(gateway: Gateway, *, chunked: bool) -> None:
    """The caller's last bytes wait until the agent has kept it all."""
    body = b'{"x":"' + b"y" * 300_000 + b'"}'
    pieces: list[bytes | float] = [body[:200_000], 0.05, body[200_000:]]
    gateway.agent.on_admit = lambda _: allow(configs.unary(), configs.plan())
    gateway.agent.on_answer = lambda _: Reply(200, {"x-bw-agent": "1"}, delay=0.5)
    gateway.providers[0].on_call = lambda _: (
        Reply(200, JSON, chunks=pieces) if chunked else Reply(200, JSON, body)
    )
    begun = time.monotonic()

    answer = gateway.chat(BODY, idempotency_key="k")

    assert answer.content == body
    assert time.monotonic() - begun > 0.5
    assert [one.body for one in kept(gateway)] == [body]


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply(400, JSON, b"{}"), False),
        (Reply(500, JSON, b"{}"), False),
        (Reply(200, JSON, b"x" * (1 << 20)), True),
        (Reply(200, JSON, b"x" * ((1 << 20) + 1)), False),
        (Reply(200, {"content-type": "text/event-stream"}, b"data: {}\n\n"), False),
        (Reply(200, {**JSON, "content-encoding": "x-own"}, b"{}"), False),
        (Reply(201, JSON, b""), True),
    ],
    ids=["400", "500", "a mebibyte", "more", "stream", "coded", "empty"],
)
def test_what_is_kept(gateway: Gateway, reply: Reply, *, told: bool) -> None:
    """Whole JSON answers that are none of errors and not too large; the caller gets each."""
    gateway.agent.on_admit = lambda _: allow(configs.unary(), configs.plan()[:1])
    gateway.providers[0].on_call = lambda _: reply

    answer = gateway.chat(BODY, idempotency_key="k")

    assert (answer.status_code, len(kept(gateway))) == (reply.status, int(told))


def test_an_agent_that_keeps_nothing_costs_the_caller_nothing(gateway: Gateway) -> None:
    """He has his answer all the same."""
    gateway.agent.on_admit = lambda _: allow(configs.unary(), configs.plan())
    gateway.agent.on_answer = lambda _: Reply(500)

    answer = gateway.chat(BODY, idempotency_key="k")

    assert (answer.status_code, answer.content) == (200, completion().body)


@pytest.mark.parametrize("size", [20, 1 << 20])
def test_an_answer_is_given_again(gateway: Gateway, size: int) -> None:
    """As the agent has it, marked, and nothing leaves."""
    body = b'{"x":"' + b"y" * (size - 8) + b'"}'
    replay = {"x-bw-agent": "1", "x-bw-replay": "1", "content-type": "application/json"}
    gateway.agent.on_admit = lambda _: Reply(200, replay, body)

    answer = gateway.chat(BODY, idempotency_key="k")

    assert (answer.status_code, answer.content) == (200, body)
    assert answer.headers["idempotent-replayed"] == "true"
    assert not [name for name in answer.headers if name.startswith("x-bw-")]
    assert gateway.providers[0].received == []


def test_bodies_have_hashes_of_their_own(gateway: Gateway) -> None:
    """Whatever byte differs, or how many there are; the same one has the same."""
    gateway.agent.on_admit = lambda _: deny(400, "asked")
    bodies = [json.dumps({"model": "a", "x": "y" * size}).encode() for size in range(40)]
    for at in range(40):
        text = bytearray(b"y" * 40)
        text[at] = ord("z")
        bodies.append(b'{"model":"a","x":"%b"}' % text)

    for body in (*bodies, bodies[0]):
        gateway.chat(body, idempotency_key="k")

    hashes = [asked["digest"] for asked in gateway.agent.admissions()]
    assert len(set(hashes)) == len(bodies)
    assert hashes[0] == hashes[-1]
