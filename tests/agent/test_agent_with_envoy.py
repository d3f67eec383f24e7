"""The agent's process with the real Envoy in front: calls, limits, edits, deaths."""

import json
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from agent.gateway_process import ISSUER, Gateway, KeySet, Provider, Signer, wait_for


@pytest.fixture
def providers() -> Iterator[tuple[Provider, Provider]]:
    made = Provider(), Provider()
    yield made
    for one in made:
        one.close()


def config(
    signer: Signer, first: Provider, second: Provider, *limits: dict[str, Any], **changes: Any
) -> dict[str, Any]:
    """One route over two keyed providers."""

    def provider(name: str, port: int) -> dict[str, Any]:
        return {
            "name": name, "protocol": "PROTOCOL_OPENAI", "host": "127.0.0.1", "port": port,
            "path": "/v1",
            "credential": {"type": "TYPE_VAULT", "path": f"llm/{name}", "key": "api_key"},
        }  # fmt: skip

    def backend(name: str, priority: int) -> dict[str, Any]:
        rates = {"inputPerMillion": "1", "outputPerMillion": "2"}
        return {
            "name": name, "provider": name, "model": f"model-{name}", "tier": "shared",
            "weight": 1, "priority": priority, "maxOutputTokens": 500,
            "prices": [{"source": "list", "rates": rates}],
        }  # fmt: skip

    return {
        "contractVersion": 1, "tenant": "acme", "namespace": "acme-prod", "currency": "USD",
        "timeZone": "UTC", "callerTags": ["feature"],
        "issuers": [
            {
                "name": "corp", "kind": "KIND_JWT", "issuer": ISSUER, "audiences": ["llm"],
                "jwksInline": json.dumps({"keys": [signer.jwk()]}),
                "claimMappings": {"team": "team", "user": "sub"},
            }
        ],
        "teams": [{"name": "search", "costCenter": "4711"}],
        "modelAccess": [{"tier": "shared"}],
        "providers": [provider("a", first.port), provider("b", second.port)],
        "routes": [
            {
                "name": "fast", "aliases": ["fast"],
                "backends": [backend("a", 0), backend("b", 1)],
                "fallback": {"when": ["WHEN_SERVER_ERROR"], "maxAttempts": 2},
            }
        ],
        "limits": list(limits),
        "unpricedModels": "UNPRICED_MODELS_DENY",
        **changes,
    }  # fmt: skip


def limit(kind: str, amount: int) -> dict[str, Any]:
    return {
        "id": f"Quota/q#{kind}", "kind": f"KIND_{kind}", "scope": "SCOPE_NAMESPACE",
        "mode": "MODE_ENFORCE", "amount": amount,
    }  # fmt: skip


KEYS = {"llm/a": {"api_key": "sk-CANARY-A"}, "llm/b": {"api_key": "sk-CANARY-B"}}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    made = Gateway(tmp_path, secrets=KEYS)
    yield made
    made.stop()


def rows(gateway: Gateway) -> list[dict[str, Any]]:
    """What the ledger has."""
    file = gateway.state / "ledger.db"
    if not file.exists():
        return []
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
        connection.row_factory = sqlite3.Row
        try:
            found = connection.execute("select * from attempts order by admitted_at, attempt")
            return [dict(row) for row in found]
        except sqlite3.OperationalError:
            return []
        finally:
            connection.commit()


def started(gateway: Gateway, said: dict[str, Any]) -> None:
    gateway.write(said)
    gateway.start_agent()
    gateway.start_envoy()
    wait_for(f"ready; see {gateway.output}", gateway.ready, 60)


def test_calls_are_served_limited_and_accounted(
    gateway: Gateway, providers: tuple[Provider, Provider]
) -> None:
    """A call, a stream and a fallback each carry their own key and leave their own row.

    A limit refuses with the headers that clients look at; no key is on disk or in metrics.
    """
    first, second = providers
    signer = Signer()
    started(gateway, config(signer, first, second, limit("REQUESTS_PER_MINUTE", 5)))
    token = signer.token()

    status, body, headers = gateway.chat(token, metadata={"feature": "x"})
    assert (status, json.loads(body)["usage"]["total_tokens"]) == (200, 10), body
    assert headers["x-ratelimit-limit-requests"] == "5"
    assert headers["x-ratelimit-remaining-requests"] == "4"
    assert gateway.chat(token, stream=True)[0] == 200
    first.status = 500
    assert gateway.chat(token)[0] == 200
    wait_for("four rows", lambda: len(rows(gateway)) == 4)
    assert gateway.chat(token, max_tokens=0)[0] == 400
    listed = gateway.get("/v1/models", token=token)
    usage = gateway.get("/v1/usage", token=token)
    exposition = gateway.get("/metrics", port=gateway.metrics)[1].decode()
    assert gateway.chat(token)[0] == 429
    refused, why, hints = gateway.chat(token)

    assert [model["id"] for model in json.loads(listed[1])["data"]] == ["fast"]
    assert json.loads(usage[1])["data"][0]["used"] == 4
    assert (refused, json.loads(why)["error"]["code"]) == (429, "rate_limit_exceeded")
    assert int(hints["retry-after"]) >= 1
    assert [call["headers"]["authorization"] for call in first.seen] == ["Bearer sk-CANARY-A"] * 4
    assert [call["headers"]["authorization"] for call in second.seen] == ["Bearer sk-CANARY-B"]
    assert {call["body"]["model"] for call in first.seen} == {"model-a"}
    assert "metadata" not in first.seen[0]["body"]
    made = [(row["backend"], row["attempt"], row["state"], row["status"]) for row in rows(gateway)]
    assert made[:4] == [
        ("a", 1, "settled", 200),
        ("a", 1, "settled", 200),
        ("a", 1, "settled", 500),
        ("b", 2, "settled", 200),
    ]
    assert json.loads(rows(gateway)[0]["tags"]) == {"feature": "x"}
    assert 'gen_ai_client_token_usage_sum{gen_ai_operation_name="chat"' in exposition
    gateway.stop()
    files = [file for file in gateway.run.parent.rglob("*") if file.is_file()]
    leaks = [file for file in files if b"CANARY" in file.read_bytes()]
    assert leaks == [gateway.secrets]
    assert "CANARY" not in exposition


def in_background(call: Callable[[], int]) -> tuple[list[int], Callable[[], None]]:
    """Statuses of calls made without pause, and what ends them."""
    statuses: list[int] = []
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            statuses.append(call())

    thread = threading.Thread(target=work)
    thread.start()

    def end() -> None:
        stop.set()
        thread.join()

    return statuses, end


def test_an_edit_takes_effect_without_a_dropped_call_and_a_wrong_one_changes_nothing(
    gateway: Gateway, providers: tuple[Provider, Provider]
) -> None:
    """New limits, an alias and a moved provider hold soon; what no agent or Envoy takes is said."""
    first, second = providers
    signer = Signer()
    good = config(signer, first, second)
    started(gateway, good)
    token = signer.token()
    statuses, end = in_background(lambda: gateway.chat(token)[0])
    try:
        digest = gateway.status()["acked"]
        moved = config(signer, second, first, limit("TOKENS_PER_MINUTE", 10_000_000))
        moved["routes"][0]["aliases"].append("quick")
        gateway.write(moved)
        began = time.monotonic()
        wait_for("the new alias", lambda: gateway.chat(token, model="quick")[0] == 200)
        took = time.monotonic() - began
        wait_for("the ACK", lambda: gateway.status()["acked"] != digest)
        digest = gateway.status()["acked"]
        wait_for("the moved provider", lambda: len(second.seen) > 1)

        gateway.write(b"\xff no config")
        wait_for("its refusal", lambda: "cannot be read" in gateway.status()["error"])
        refused = config(signer, first, second)
        refused["providers"][0]["caBundle"] = "no certificate"
        refused["providers"][0]["tls"] = True
        gateway.write(refused)
        wait_for("Envoy's words", lambda: "Envoy refused" in gateway.status()["error"])
        assert gateway.chat(token, model="quick")[0] == 404, "permissions hold at once"
        assert gateway.chat(token)[0] == 200
        gateway.write(moved)
        wait_for("the good one again", lambda: not gateway.status()["error"])
    finally:
        end()

    assert set(statuses) == {200}, statuses
    assert gateway.status()["acked"] == digest
    assert took < 10
    assert {call["headers"]["authorization"] for call in first.seen + second.seen} == {
        "Bearer sk-CANARY-A"
    }


@pytest.mark.parametrize("victim", ["agent", "envoy"])
def test_a_killed_process_comes_back_with_its_counters(
    gateway: Gateway, providers: tuple[Provider, Provider], victim: str
) -> None:
    """Meanwhile callers get 503 `gateway_unavailable`, nobody, or an answer; no row is lost."""
    first, second = providers
    signer = Signer()
    started(gateway, config(signer, first, second, limit("REQUESTS_PER_MINUTE", 1000)))
    token = signer.token()
    for _ in range(5):
        assert gateway.chat(token)[0] == 200
    first.hold.clear()
    hanging, end = in_background(lambda: gateway.chat(token)[0])
    wait_for("a call under way", lambda: len(first.seen) == 6)

    process = gateway.agent if victim == "agent" else gateway.envoy
    assert process is not None
    process.kill()
    process.wait()
    answers = []
    if victim == "agent":
        answers.append(gateway.chat(token))
        gateway.config.write_bytes(b"damaged meanwhile")
        gateway.start_agent()
    else:
        gateway.start_envoy()
    first.hold.set()
    wait_for("an answer", lambda: (answers.append(gateway.chat(token)), answers[-1][0] == 200)[1])
    end()
    served = sum(answer[0] == 200 for answer in answers) + hanging.count(200)
    made = wait_for("rows", lambda: (r := rows(gateway)) and len(r) == len(first.seen) and r)

    assert {answer[0] for answer in answers} <= {0, 200, 503}
    for status, body, _ in answers:
        assert status != 503 or json.loads(body)["error"]["code"] == "gateway_unavailable"
    states = Counter(row["state"] for row in made)
    assert states["settled"] == 5 + served
    assert states["unknown"] == (1 if victim == "envoy" else 0)
    usage = json.loads(gateway.get("/v1/usage", token=token)[1])
    assert usage["data"][0]["used"] == len(made)


def test_a_new_key_of_the_issuer_is_fetched_when_a_token_names_it(
    gateway: Gateway, providers: tuple[Provider, Provider]
) -> None:
    """No restart and no wait for the next regular fetch; the old key ends with its set."""
    first, second = providers
    old, new = Signer("old"), Signer("new")
    keys = KeySet(old)
    try:
        said = config(old, first, second)
        said["issuers"][0].pop("jwksInline")
        said["issuers"][0]["jwksUri"] = keys.uri
        started(gateway, said)
        assert gateway.chat(old.token())[0] == 200
        keys.signers = [new]
        assert gateway.chat(new.token())[0] == 401
        wait_for("the new key", lambda: gateway.chat(new.token())[0] == 200)
        assert gateway.chat(old.token())[0] == 401
        assert len(keys.asked) == 2
    finally:
        keys.close()
