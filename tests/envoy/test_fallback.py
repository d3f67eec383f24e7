"""A further attempt at another provider: asked for, with its own key and model, nothing else."""

import json
import time

import httpx
import pytest
from dataplane_kit import configs
from dataplane_kit.doubles import allow, completion, deny
from dataplane_kit.gateway import Gateway
from dataplane_kit.http1 import Received, Reply

BODY = {"model": "fast", "messages": [{"role": "user", "content": "hallo"}]}


def admit_a(gateway: Gateway, route: str = configs.unary()) -> None:
    """Provider A is tried first, with its key in its own header; B has another."""
    gateway.agent.on_admit = lambda _: allow(
        route,
        configs.plan(),
        x_bw_model='"model-a"',
        x_bw_credential_header="api-key",
        x_bw_credential="CANARY-KEY-A",
    )
    gateway.agent.on_attempt = lambda _: allow(
        "",
        [],
        x_bw_model='"model-b"',
        x_bw_credential_header="authorization",
        x_bw_credential="Bearer CANARY-KEY-B",
    )


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 529])
def test_each_attempt_has_its_own_key_and_model(gateway: Gateway, status: int) -> None:
    """After A's failure B receives B's key and model, and nothing of A's or the caller's."""
    admit_a(gateway)
    a, b = gateway.providers
    a.on_call = lambda _: Reply(status, {"content-type": "application/json"}, b"{}")

    answer = gateway.chat(BODY, cookie="CANARY-COOKIE", openai_organization="CANARY-ORG")

    assert answer.status_code == 200
    assert json.loads(a.received[0].body)["model"] == "model-a"
    assert a.received[0].headers["api-key"] == "CANARY-KEY-A"
    assert "authorization" not in a.received[0].headers
    assert json.loads(b.received[0].body)["model"] == "model-b"
    assert b.received[0].headers["authorization"] == "Bearer CANARY-KEY-B"
    assert b.received[0].path == "/base/v9/chat/completions"
    assert b.received[0].headers["host"] == f"127.0.0.1:{b.port}"
    for canary in ("CANARY-KEY-A", "CANARY-COOKIE", "CANARY-ORG", "model-a", "eyJ"):
        assert not b.received[0].has(canary), canary
    for name in b.received[0].headers:
        assert not name.startswith("x-bw-"), name


def test_the_agent_is_asked_for_each_further_attempt(gateway: Gateway) -> None:
    """/attempt names the call, the attempt and the backend."""
    admit_a(gateway)
    gateway.providers[0].on_call = lambda _: Reply(503)

    answer = gateway.chat(BODY)

    asked = gateway.agent.asked[1]
    assert asked.path == "/attempt"
    assert asked.headers["x-bw-id"] == answer.headers["x-request-id"]
    assert asked.headers["x-bw-attempt"] == "2"
    assert asked.headers["x-bw-backend"] == configs.plan()[1]


def test_a_refused_attempt_ends_the_call(gateway: Gateway) -> None:
    """The agent's no to an attempt is the caller's answer, even where its status is retried."""
    admit_a(gateway)
    gateway.agent.on_attempt = lambda _: deny(429, "rate_limit_exceeded", retry_after="7")
    gateway.providers[0].on_call = lambda _: Reply(503)

    answer = gateway.chat(BODY)

    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert answer.headers["retry-after"] == "7"
    assert gateway.providers[1].received == []
    assert len([one for one in gateway.agent.asked if one.path == "/attempt"]) == 1


def test_each_attempt_leaves_a_record(gateway: Gateway) -> None:
    """Attempts are told apart by number and backend; each has its own status and bytes."""
    admit_a(gateway)
    gateway.providers[0].on_call = lambda _: Reply(503, {}, b"x" * 1000)

    stream_id = gateway.chat(BODY).headers["x-request-id"]

    end = gateway.record("r", stream_id)
    first, second = gateway.records("a", stream_id)
    assert (int(first["n"]), first["b"], first["s"]) == (1, f"b-{configs.plan()[0]}", 503)
    assert (int(second["n"]), second["b"], second["s"]) == (2, f"b-{configs.plan()[1]}", 200)
    assert first["tx"] > 100
    assert first["rx"] > 1000
    assert second["rx"] > first["rx"], "wire bytes count on over the attempts of a call"
    assert (end["n"], end["s"], end["done"]) == (2, 200, 1)


def test_a_dead_provider_gives_way(gateway: Gateway) -> None:
    """A refused connection moves on; its record proves that nothing was sent."""
    config = configs.config({"a": 1, "b": gateway.providers[1].port}, configs.route())
    gateway.apply(config)
    admit_a(gateway)

    answer = gateway.chat(BODY)
    gateway.apply(gateway.config)

    assert answer.status_code == 200
    gateway.record("r", answer.headers["x-request-id"])
    first, second = gateway.records("a", answer.headers["x-request-id"])
    assert (first["tx"], first["s"]) == (0, 0)
    assert "UF" in first["f"]
    assert first["x"]
    assert second["s"] == 200


def named(gateway: Gateway, host: str) -> None:
    """Serve with provider A under this name."""
    ports = {"a": gateway.providers[0].port, "b": gateway.providers[1].port}
    config = configs.config(ports, configs.route())
    config.providers[0].host = host
    gateway.apply(config)


def test_a_name_without_an_address_gives_way(gateway: Gateway) -> None:
    """A provider whose name does not resolve is an attempt that was never sent, not the end."""
    named(gateway, "nowhere.invalid")
    admit_a(gateway)

    answer = gateway.chat(BODY)
    gateway.apply(gateway.config)

    assert answer.status_code == 200
    gateway.record("r", answer.headers["x-request-id"])
    first, second = gateway.records("a", answer.headers["x-request-id"])
    assert (first["tx"], first["s"], second["s"]) == (0, 0, 200)


def test_a_name_with_two_families_is_reached_every_time(gateway: Gateway) -> None:
    """The provider listens on IPv4 alone, its name has both: no call depends on luck."""
    named(gateway, "localhost")
    gateway.agent.on_admit = lambda _: allow(configs.unary(), configs.plan()[:1])

    statuses = [gateway.chat(BODY).status_code for _ in range(8)]
    gateway.apply(gateway.config)

    assert statuses == [200] * 8


def test_a_lost_connection_before_the_answer_gives_way(gateway: Gateway) -> None:
    """A provider that hangs up without an answer is tried no more."""
    admit_a(gateway)
    gateway.providers[0].on_call = lambda _: Reply(hang_up=True)

    assert gateway.chat(BODY).status_code == 200
    assert len(gateway.providers[0].received) == 1


def test_no_fallback_after_the_first_byte(gateway: Gateway) -> None:
    """An answer that breaks off is not begun anew elsewhere."""
    admit_a(gateway, configs.stream())
    broken = Reply(
        200, {"content-type": "text/event-stream"}, chunks=[b'data: {"choices":[1]}\n\n'], cut=True
    )
    gateway.providers[0].on_call = lambda _: broken

    with gateway.http.stream(
        "POST",
        "/v1/chat/completions",
        content=json.dumps({**BODY, "stream": True}),
        headers=gateway.headers() | {"content-type": "application/json"},
    ) as answer:
        pieces = answer.iter_raw()
        text = next(pieces)
        with pytest.raises(httpx.TransportError):
            next(pieces)

    assert text.startswith(b"data: ")
    assert gateway.providers[1].received == []
    record = gateway.record("r", answer.headers["x-request-id"])
    assert record["done"] is None
    assert record["ev"] == 1


def test_edits_are_made_anew_for_each_attempt(gateway: Gateway) -> None:
    """What the first attempt put in is replaced; the rest stays the caller's bytes."""
    admit_a(gateway)
    gateway.agent.on_admit = lambda _: allow(
        configs.unary(),
        configs.plan(),
        x_bw_model='"a-much-longer-model"',
        x_bw_edit_cap="max_tokens=9",
    )
    gateway.agent.on_attempt = lambda _: allow(
        "", [], x_bw_model='"b"', x_bw_edit_cap="max_tokens=5"
    )
    gateway.providers[0].on_call = lambda _: Reply(503)

    gateway.chat(b'{"max_tokens" : 77, "model":"fast","seed": 9007199254740993}')

    assert gateway.providers[0].received[0].body == (
        b'{"max_tokens" : 9, "model":"a-much-longer-model","seed": 9007199254740993}'
    )
    assert gateway.providers[1].received[0].body == (
        b'{"max_tokens" : 5, "model":"b","seed": 9007199254740993}'
    )


def test_a_silent_stream_gives_way_at_its_first_byte_timeout(gateway: Gateway) -> None:
    """The firstByte timeout ends an attempt that has not begun to answer; the next one is asked."""
    limits = configs.Timeouts(request_ms=5000, first_byte_ms=200, stream_idle_ms=3000)
    ports = {"a": gateway.providers[0].port, "b": gateway.providers[1].port}
    gateway.apply(configs.config(ports, configs.route(timeouts=limits)))
    admit_a(gateway, configs.stream())

    def slow(_: Received) -> Reply:
        return completion_after(2.0)

    gateway.providers[0].on_call = slow
    begun = time.monotonic()
    answer = gateway.chat({**BODY, "stream": True})
    took = time.monotonic() - begun
    gateway.apply(gateway.config)

    assert answer.status_code == 200
    assert took < 2.0
    first = gateway.records("a", answer.headers["x-request-id"])[0]
    assert "UT" in first["f"]


def completion_after(seconds: float) -> Reply:
    """An answer that takes its time."""
    reply = completion()
    reply.delay = seconds
    return reply
