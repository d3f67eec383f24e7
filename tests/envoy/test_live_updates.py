"""Configs that change under load, that Envoy refuses, and Envoys that come later."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Self

import pytest
from dataplane_kit import configs
from dataplane_kit.doubles import allow, completion
from dataplane_kit.gateway import Gateway, Signer, wait_for
from dataplane_kit.http1 import Reply

from bailiwick_contract.v1.tenant_config_pb2 import Provider, TenantConfig
from bailiwick_sidecar.names import endpoint_mark
from bailiwick_sidecar.xds.snapshot import Kind
from bailiwick_sidecar.xds.translate import translate


class Load:
    """Calls without a pause in a thread of its own; keeps every status."""

    def __init__(self, gateway: Gateway) -> None:
        self.statuses: list[int] = []
        self._gateway = gateway
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.is_set():
            self.statuses.append(self._gateway.chat({"model": "fast"}).status_code)

    def __enter__(self) -> Self:
        self._thread.start()
        wait_for(lambda: len(self.statuses) > 3)
        return self

    def __exit__(self, *_: object) -> None:
        seen = len(self.statuses)
        wait_for(lambda: len(self.statuses) > seen + 3)
        self._stop.set()
        self._thread.join()


def with_route(gateway: Gateway, name: str) -> TenantConfig:
    """The module's config and one more route."""
    ports = {"a": gateway.providers[0].port, "b": gateway.providers[1].port}
    return configs.config(ports, configs.route(), configs.route(name))


def serve_fast(gateway: Gateway) -> None:
    """Admit every call on the first route."""
    gateway.agent.on_admit = lambda _: allow(configs.unary(), configs.plan())


@pytest.fixture
def restored(gateway: Gateway) -> Iterator[Gateway]:
    """The gateway, back on its config behind the test."""
    runtime = gateway.runtime
    yield gateway
    gateway.runtime = runtime
    gateway.apply(gateway.config)


def test_routes_come_and_go_without_a_dropped_call(restored: Gateway) -> None:
    """Make before break: callers never notice, and a new route works as soon as it is taken."""
    serve_fast(restored)

    with Load(restored) as load:
        for turn in range(10):
            restored.apply(with_route(restored, f"r{turn}"))
    restored.agent.on_admit = lambda _: allow(configs.unary("r9"), configs.plan("r9"))

    assert set(load.statuses) == {200}
    assert restored.chat({"model": "r9"}).status_code == 200
    assert f"b-{configs.plan('r9')[0]}" in restored.admin("/clusters")
    assert f"b-{configs.plan('r8')[0]}" not in restored.admin("/clusters")


def test_a_provider_moves_without_a_dropped_call(restored: Gateway) -> None:
    """Its calls are held or refused until Envoy has it; no other status is ever seen."""
    serve_fast(restored)
    a, b = restored.providers

    with Load(restored) as load:
        restored.apply(configs.config({"a": b.port, "b": a.port}, configs.route()))

    # This stand-in for the agent does not wait for Envoy's answer, as the agent does.
    assert set(load.statuses) <= {200, 503}
    assert load.statuses[-1] == 200
    assert b.received


def test_a_credential_of_another_endpoint_is_refused(restored: Gateway) -> None:
    """A key that was chosen under the config before never reaches what took its place."""
    a, b = restored.providers
    restored.agent.on_admit = lambda _: allow(
        configs.unary(),
        configs.plan(),
        x_bw_endpoint=endpoint_mark(Provider(name="P/a", host="127.0.0.1", port=1)),
        x_bw_credential_header="authorization",
        x_bw_credential="Bearer CANARY",
    )
    before = len(a.received) + len(b.received)

    answer = restored.chat({"model": "a"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "gateway_unavailable")
    assert len(a.received) + len(b.received) == before


def test_only_what_changed_is_sent(restored: Gateway) -> None:
    """The listener is not touched by routes, providers, issuers or keys: it would drain."""
    before = translate(restored.config, restored.runtime)
    other = with_route(restored, "other")
    other.issuers[0].audiences.append("more")

    after = translate(other, replace(restored.runtime, jwks={}))

    assert before.version(Kind.LISTENER) == after.version(Kind.LISTENER)
    for kind in (Kind.CLUSTER, Kind.ROUTES, Kind.EXTENSION):
        assert before.version(kind) != after.version(kind)


def test_keys_rotate_without_a_cut_stream(restored: Gateway) -> None:
    """A stream that began before goes on; afterwards only the new key's tokens hold."""
    restored.agent.on_admit = lambda _: allow(configs.stream(), configs.plan())
    slow = Reply(
        200, {"content-type": "text/event-stream"}, chunks=[b"data: 1\n\n", 0.5, b"data: 2\n\n"]
    )
    restored.providers[0].on_call = lambda _: slow
    old, new = restored.signer, Signer("k2")

    with restored.http.stream(
        "POST", "/v1/chat/completions", json={"model": "a"}, headers=restored.headers()
    ) as answer:
        pieces = answer.iter_raw()
        first = next(pieces)
        restored.runtime = replace(
            restored.runtime, jwks={"corp": json.dumps({"keys": [new.jwk()]})}
        )
        restored.apply(restored.config)
        rest = b"".join(pieces)

    assert first + rest == b"data: 1\n\ndata: 2\n\n"
    get = restored.http.get
    assert get("/v1/models", headers={"authorization": f"Bearer {old.token()}"}).status_code == 401
    assert get("/v1/models", headers={"authorization": f"Bearer {new.token()}"}).status_code == 200


def test_no_keys_or_no_issuers_let_nobody_in(restored: Gateway) -> None:
    """An issuer whose keys are not known is no reason to trust, nor is a config without issuers."""
    restored.runtime = replace(restored.runtime, jwks={})
    restored.apply(restored.config)
    headers = restored.headers()
    assert restored.http.get("/v1/models", headers=headers).status_code == 401

    without = with_route(restored, "x")
    del without.issuers[:]
    restored.apply(without)

    assert restored.http.get("/v1/models", headers=headers).status_code == 401
    assert restored.http.get("/healthz").status_code == 200
    assert restored.agent.asked == []


def refused(gateway: Gateway) -> TenantConfig:
    """A config that Envoy does not take: a provider's CA that is none, and one more route."""
    config = with_route(gateway, "new")
    config.providers[0].tls = True
    config.providers[0].ca_bundle = "no certificate"
    return config


def test_a_refused_config_changes_nothing(restored: Gateway) -> None:
    """Envoy's words are reported, all kinds go back to what was taken, and no call fails."""
    serve_fast(restored)
    good = restored.ads.status.acked

    with Load(restored) as load:
        restored.publish(translate(refused(restored), restored.runtime))
        rejection = wait_for(lambda: restored.ads.status.rejection)
        time.sleep(0.1)

    assert rejection.kind is Kind.CLUSTER
    assert "CA" in rejection.message
    assert restored.ads.status.acked is good
    assert restored.ads.status.desired is not good
    assert set(load.statuses) == {200}
    wait_for(lambda: f"b-{configs.plan('new')[0]}" not in restored.admin("/clusters"))


def test_a_good_config_behind_a_refused_one_is_taken(restored: Gateway) -> None:
    """A refusal does not stick."""
    restored.publish(translate(refused(restored), restored.runtime))
    wait_for(lambda: restored.ads.status.rejection)

    restored.apply(with_route(restored, "better"))

    assert restored.ads.status.rejection is None
    restored.agent.on_admit = lambda _: allow(configs.unary("better"), configs.plan("better"))
    assert restored.chat({"model": "better"}).status_code == 200


def test_an_envoy_that_comes_later_gets_the_last_good(restored: Gateway) -> None:
    """After a crash it starts on what was taken, not on what was refused since."""
    serve_fast(restored)
    restored.publish(translate(refused(restored), restored.runtime))
    wait_for(lambda: restored.ads.status.rejection)

    restored.stop_envoy()
    wait_for(lambda: restored.ads.status.streams == 0)
    restored.start_envoy()

    assert restored.chat({"model": "fast"}).status_code == 200
    assert restored.ads.status.rejection is not None


def test_a_plan_that_envoy_does_not_have(restored: Gateway) -> None:
    """A route or backend that is not there (yet) is 503, not a way to anywhere else."""
    restored.agent.on_admit = lambda _: allow("ffffffffffff-u", configs.plan())
    unknown_route = restored.chat({"model": "fast"})
    restored.agent.on_admit = lambda _: allow(configs.unary(), ["ffffffffffff"])
    unknown_backend = restored.chat({"model": "fast"})

    assert unknown_route.status_code == 503
    assert unknown_route.json()["error"]["code"] == "gateway_unavailable"
    assert unknown_backend.status_code == 503
    assert unknown_backend.json()["error"]["code"] == "upstream_unavailable"
    assert restored.providers[0].received == []


def test_calls_without_an_agent_are_refused(restored: Gateway) -> None:
    """503 with Retry-After on every path that needs it; well again as soon as it is back."""
    restored.run(restored.agent.server.close())
    answers = [
        restored.chat({"model": "fast"}),
        restored.http.get("/v1/models", headers=restored.headers()),
        restored.http.get("/readyz"),
    ]
    healthy = restored.http.get("/healthz")
    path = restored.directory / "agent.sock"
    path.unlink(missing_ok=True)
    restored.run(restored.agent.server.listen_unix(str(path)))
    serve_fast(restored)

    for answer in answers:
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "gateway_unavailable"
        assert answer.headers["retry-after"] == "1"
    assert healthy.status_code == 200
    assert restored.chat({"model": "fast"}).status_code == 200


def test_an_agent_that_answers_nonsense_admits_nobody(restored: Gateway) -> None:
    """An answer without the agent's mark, or a yes without a plan, is no yes."""
    codes = []
    for nonsense in (
        Reply(200),
        Reply(503, {}, b"upstream connect error"),
        Reply(200, {"x-bw-agent": "1"}),
        Reply(200, {"x-bw-agent": "1", "x-bw-route": configs.unary()}),
        Reply(200, {"x-bw-agent": "1", "x-bw-route": "x", "x-bw-plan": "y", "x-bw-model": ""}),
    ):
        restored.agent.on_admit = lambda _, reply=nonsense: reply
        answer = restored.chat({"model": "fast"})
        codes.append((answer.status_code, answer.json()["error"]["code"]))

    assert codes == [
        (503, "gateway_unavailable"),
        (503, "gateway_unavailable"),
        (500, "gateway_error"),
        (500, "gateway_error"),
        (503, "gateway_unavailable"),
    ]
    assert restored.providers[0].received == []


def test_an_agent_that_is_gone_at_the_second_attempt(restored: Gateway) -> None:
    """The further attempt is not made without its yes."""
    serve_fast(restored)
    restored.providers[0].on_call = lambda _: Reply(503)
    restored.agent.on_attempt = lambda _: Reply(hang_up=True)

    answer = restored.chat({"model": "fast"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "gateway_unavailable")
    assert restored.providers[1].received == []


def test_no_key_is_in_what_envoy_shows(restored: Gateway) -> None:
    """Credentials pass through; neither configuration, statistics nor files keep them."""
    restored.agent.on_admit = lambda _: allow(
        configs.unary(),
        configs.plan(),
        x_bw_credential_header="authorization",
        x_bw_credential="Bearer CANARY-KEY",
    )
    restored.providers[0].on_call = lambda _: completion("CANARY-ANSWER")
    stream_id = restored.chat({"model": "a", "messages": "CANARY-PROMPT"}).headers["x-request-id"]
    restored.record("r", stream_id)

    assert restored.providers[0].received[0].has("CANARY-KEY")
    assert "CANARY" not in restored.admin("/config_dump")
    assert "CANARY" not in restored.admin("/stats")
    for file in restored.directory.iterdir():
        if file.is_file():
            assert b"CANARY" not in file.read_bytes(), file
