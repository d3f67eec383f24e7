"""The agent's process with the real Envoy in front: calls, limits, edits, deaths."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agent.gateway_process import ISSUER, Gateway, Provider, Signer, wait_for


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
