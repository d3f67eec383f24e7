"""Provider keys go where they belong and nowhere else; tenants do not meet."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from documents import backend, provider, route, tenant
from running import CountingProvider, Up, running, wait_for

KEY_A = "sk-CANARY-acme-a-9f31"
KEY_B = "sk-CANARY-acme-b-77d2"
KEY_G = "sk-CANARY-globex-1c0e"


def vault(path: str) -> dict[str, Any]:
    return {"type": "Vault", "vault": {"path": path, "key": "api_key"}}


def chat(
    up: Up, token: str, told: dict[str, Any], *, index: int = 0, **more: Any
) -> httpx.Response:
    """One call; `told` tells the providers how to behave."""
    body = {
        "model": "fast",
        "max_tokens": 20,
        "messages": [{"role": "user", "content": json.dumps(told)}],
        **more,
    }
    headers = {"authorization": f"Bearer {token}", "api-key": "mine", "x-api-key": "mine"}
    return httpx.post(
        f"{up.url(index)}/v1/chat/completions", json=body, headers=headers, timeout=30
    )


def test_each_attempt_has_its_own_key_and_model_and_nothing_of_the_one_before(
    tmp_path: Path, counting_provider: Callable[[str], CountingProvider]
) -> None:
    """After A failed, B sees B's key and model only; the keys are on no disk of the gateway."""
    first, second, third = (counting_provider(name) for name in "abc")
    up = Up(
        tmp_path / "gateway",
        secrets={"llm/acme/a": {"api_key": KEY_A}, "llm/acme/b": {"api_key": KEY_B}},
    )
    documents = [
        tenant(),
        provider("a", first.port, credentials=vault("llm/{tenant}/a")),
        provider("b", second.port, credentials=vault("llm/{tenant}/b")),
        provider("c", third.port),
        route(
            "fast",
            backend("a"),
            backend("b", "p", priority=1),
            backend("c", priority=2),
            fallback={"when": ["RateLimited", "ServerError"], "maxAttempts": 3},
        ),
    ]
    failing = {"status": 503}
    with running(up, documents):
        token = up.token()
        for stream in (False, True):
            assert chat(up, token, {"a": failing}, stream=stream).status_code == 200
            told = {"a": failing, "b": {"status": 429, "retry_after": 0}}
            assert chat(up, token, told, stream=stream).status_code == 200
        everything = {"status": 500}
        last = chat(up, token, everything)
        rows = wait_for("rows", lambda: (r := up.rows()) and len(r) == 13 and r)
        metrics = up.scrape()

    assert last.status_code == 500
    assert {attempt["authorization"] for attempt in first.attempts()} == {f"Bearer {KEY_A}"}
    assert {attempt["authorization"] for attempt in second.attempts()} == {f"Bearer {KEY_B}"}
    assert {attempt["authorization"] for attempt in third.attempts()} == {""}
    assert {attempt["model"] for attempt in first.attempts()} == {"m"}
    assert {attempt["model"] for attempt in second.attempts()} == {"p"}
    for attempt in first.attempts() + second.attempts() + third.attempts():
        assert not {"api-key", "x-api-key", "cookie", "x-bw-jwt"} & set(attempt["headers"])
    assert sorted(row["attempt"] for row in rows) == [1] * 5 + [2] * 5 + [3] * 3
    kept = [file for file in up.data.rglob("*") if file.is_file()]
    leaks = [file for file in kept for key in (KEY_A, KEY_B) if key.encode() in file.read_bytes()]
    assert leaks == []
    assert "CANARY" not in metrics
    assert "CANARY" not in up.output.read_text()


def test_a_missing_key_closes_its_backend_and_no_other(
    tmp_path: Path, counting_provider: Callable[[str], CountingProvider]
) -> None:
    """A route whose only key is absent says so; another route serves."""
    source = counting_provider("a")
    up = Up(tmp_path / "gateway", secrets={"llm/acme/other": {"api_key": KEY_A}})
    documents = [
        tenant(),
        provider("a", source.port, credentials=vault("llm/{tenant}/a")),
        provider("b", source.port),
        route("keyed", backend("a")),
        route("fast", backend("b")),
    ]
    with running(up, documents):
        token = up.token()
        refused = chat(up, token, {}, model="keyed")
        served = chat(up, token, {})

    assert (refused.status_code, served.status_code) == (503, 200)
    assert refused.json()["error"]["code"] == "credential_unavailable"


def test_two_tenants_have_two_gateways_that_share_nothing(
    tmp_path: Path, counting_provider: Callable[[str], CountingProvider]
) -> None:
    """Ports follow the namespaces' order; a tenant's token and key are worthless at the other's."""
    source = counting_provider("a")
    up = Up(
        tmp_path / "gateway",
        namespaces=2,
        secrets={"llm/acme/k": {"api_key": KEY_A}, "llm/globex/k": {"api_key": KEY_G}},
    )
    documents = [
        tenant("globex", namespaces=("globex-dev",)),
        tenant(),
        provider("a", source.port, credentials=vault("llm/{tenant}/k")),
        route("fast", backend("a"), namespace="globex-dev"),
        route("fast", backend("a")),
    ]
    with running(up, documents):
        wait_for("second gateway", lambda: up.ready(1))
        acme, globex = up.token(), up.token(tenant="globex")
        assert chat(up, acme, {}, index=0).status_code == 200
        assert chat(up, globex, {}, index=1).status_code == 200
        assert chat(up, globex, {}, index=0).status_code in {401, 403}
        assert chat(up, acme, {}, index=1).status_code in {401, 403}
        rows = wait_for("rows", lambda: (r := up.rows()) and len(r) == 2 and r)
        first, second = up.scrape(0), up.scrape(1)

    assert [attempt["authorization"] for attempt in source.attempts()] == [
        f"Bearer {KEY_A}",
        f"Bearer {KEY_G}",
    ]
    assert sorted((row["tenant"], row["namespace"]) for row in rows) == [
        ("acme", "acme-prod"),
        ("globex", "globex-dev"),
    ]
    assert "globex" not in first
    assert "acme" not in second


def test_a_route_that_moves_under_load_drops_no_call_and_mixes_no_keys(
    tmp_path: Path, counting_provider: Callable[[str], CountingProvider]
) -> None:
    """Every call is answered, each with the key of the provider that it reached."""
    first, second = counting_provider("a"), counting_provider("b")
    up = Up(
        tmp_path / "gateway",
        secrets={"llm/acme/a": {"api_key": KEY_A}, "llm/acme/b": {"api_key": KEY_B}},
    )

    def documents(name: str) -> list[dict[str, Any]]:
        return [
            tenant(),
            provider("a", first.port, credentials=vault("llm/{tenant}/a")),
            provider("b", second.port, credentials=vault("llm/{tenant}/b")),
            route("fast", {**backend(name), "name": "same"}),
        ]

    with running(up, documents("a")):
        token = up.token()
        statuses: list[int] = []
        stop = threading.Event()

        def load() -> None:
            while not stop.is_set():
                statuses.append(chat(up, token, {}).status_code)

        callers = [threading.Thread(target=load) for _ in range(4)]
        for caller in callers:
            caller.start()
        for turn in range(6):
            to = second if turn % 2 == 0 else first
            seen = len(to.attempts())
            up.write(documents(to.name))
            wait_for(f"turn {turn}", lambda to=to, seen=seen: len(to.attempts()) > seen + 5)
        stop.set()
        for caller in callers:
            caller.join()

    assert set(statuses) == {200}
    assert {attempt["authorization"] for attempt in first.attempts()} == {f"Bearer {KEY_A}"}
    assert {attempt["authorization"] for attempt in second.attempts()} == {f"Bearer {KEY_B}"}
