"""Who gets in: signed tokens, forged tokens, teams, service accounts, other tenants."""

import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from documents import backend, provider, route, tenant
from issuing import ISSUER, KeySet, SigningKey, unsigned
from running import CountingProvider, Up, running, wait_for

CALLERS = {
    "issuer": ISSUER,
    "audiences": ["llm.acme.example"],
    "requiredClaims": [{"claim": "tenant_id", "value": "acme"}],
    "claimMappings": {
        "team": {"claim": "team_id"},
        "project": {"claim": "project"},
        "user": {"claim": "sub"},
    },
}


def callers(**jwks: Any) -> dict[str, Any]:
    bindings = [
        {
            "name": "ranking",
            "namespace": "acme-prod",
            "serviceAccount": "ranking-api",
            "team": "search",
            "project": "ranking",
        }
    ]
    return {
        "jwt": [{"name": "corp", **CALLERS, "jwks": jwks}],
        "serviceAccounts": {"audience": "bailiwick", "bindings": bindings},
    }


def documents(port: int, **jwks: Any) -> list[dict[str, Any]]:
    return [
        tenant(callers=callers(**jwks)),
        provider("a", port),
        route("fast", backend("a"), teams=["search", "support"]),
        route("search-only", backend("a"), teams=["search"]),
        route("smart", backend("a", "p")),
    ]


class Gateway:
    """The gateway, the key it trusts, and the provider behind it."""

    def __init__(self, up: Up, key: SigningKey, source: CountingProvider) -> None:
        self.up, self.key, self.source = up, key, source
        self.client = httpx.Client(base_url=up.url(), timeout=10)

    def call(self, token: str | None, model: str = "fast", **headers: str) -> httpx.Response:
        sent = {**headers, **({"authorization": f"Bearer {token}"} if token is not None else {})}
        body = {"model": model, "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
        return self.client.post("/v1/chat/completions", json=body, headers=sent)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway that trusts one RS256 and one ES256 key, given inline."""
    folder = tmp_path_factory.mktemp("callers")
    source = CountingProvider("a", folder)
    key, other = SigningKey("k1"), SigningKey("k2", "ES256")
    inline = json.dumps({"keys": [key.public(), other.public()]})
    up = Up(folder)
    try:
        with running(up, documents(source.port, inline=inline)):
            found = Gateway(up, key, source)
            found.elliptic = other
            yield found
            found.client.close()
    finally:
        source.stop()


def test_both_algorithms_get_in(gateway: Gateway) -> None:
    """RS256 and ES256 tokens of a listed team are served."""
    assert gateway.call(gateway.key.token()).status_code == 200
    assert gateway.call(gateway.elliptic.token()).status_code == 200


def forged(gateway: Gateway) -> dict[str, str | None]:
    """Tokens that must not get in, by what is wrong with them."""
    key, now = gateway.key, int(time.time())
    good = {
        "iss": ISSUER, "aud": "llm.acme.example", "sub": "u1", "exp": now + 600,
        "tenant_id": "acme", "team_id": "search",
    }  # fmt: skip
    pem = json.dumps(key.public(), separators=(",", ":")).encode()
    signed = unsigned(good, {"alg": "HS256", "kid": "k1"}).rpartition(".")[0]
    mac = hmac.new(pem, signed.encode(), hashlib.sha256).digest()
    head, payload, signature = key.token().split(".")
    stranger = SigningKey("k1")
    return {
        "none at all": None,
        "garbage": "abc.def.ghi",
        "alg none": unsigned(good, {"alg": "none"}),
        "alg None with kid": unsigned(good, {"alg": "None", "kid": "k1"}),
        "HS256 with the public key": unsigned(good, {"alg": "HS256", "kid": "k1"}, mac),
        "RS512 where RS256 is pinned": _with_algorithm(key, "RS512"),
        "unknown kid": key.token(header={"kid": "k9"}),
        "kid as a path": key.token(header={"kid": "../../etc/passwd"}),
        "other key, same kid": stranger.token(),
        "signature of another token": f"{head}.{payload}.{stranger.token().split('.')[2]}",
        "payload changed": f"{head}.{stranger.token(sub='root').split('.')[1]}.{signature}",
        "expired": key.token(exp=now - 120),
        "no exp": key.token(drop=("exp",)),
        "not yet valid": key.token(nbf=now + 600),
        "other audience": key.token(aud="other"),
        "no audience": key.token(drop=("aud",)),
        "audience by prefix": key.token(aud="llm.acme.example.evil"),
        "other issuer": key.token(iss="https://evil.example"),
        "no issuer": key.token(drop=("iss",)),
    }


def _with_algorithm(key: SigningKey, algorithm: str) -> str:
    pinned, key.algorithm = key.algorithm, algorithm
    try:
        return key.token()
    finally:
        key.algorithm = pinned


def test_forged_tokens_are_401_in_openai_shape_and_reach_no_provider(gateway: Gateway) -> None:
    """Each forgery is refused with the stable code, and nothing leaves."""
    seen = len(gateway.source.attempts())
    answers = {name: gateway.call(token) for name, token in forged(gateway).items()}

    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(
        answers, 401
    )
    for name, answer in answers.items():
        error = answer.json()["error"]
        assert error["code"] == "invalid_api_key", name
        assert error["message"], name
        assert answer.headers["x-request-id"], name
    assert len(gateway.source.attempts()) == seen


def test_claims_that_a_tenant_requires_are_exact(gateway: Gateway) -> None:
    """A well-signed token of another tenant, or of a team that is not listed, is 403."""
    cases = {
        "other tenant": gateway.key.token(tenant_id="globex"),
        "tenant in other case": gateway.key.token(tenant_id="Acme"),
        "no tenant": gateway.key.token(drop=("tenant_id",)),
        "tenant as a list": gateway.key.token(tenant_id=["acme"]),
        "unlisted team": gateway.key.token(team_id="finance"),
        "no team": gateway.key.token(drop=("team_id",)),
        "team as a list": gateway.key.token(team_id=["search"]),
        "unlisted project": gateway.key.token(project="secret"),
        "other team's project": gateway.key.token(project="helpdesk"),
    }
    answers = {name: gateway.call(token) for name, token in cases.items()}

    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(
        answers, 403
    )
    assert all(answer.json()["error"]["code"] for answer in answers.values())


def test_models_are_closed_by_route_team_and_tier(gateway: Gateway) -> None:
    """A team sees and uses its own models only; tricks with the name do not help."""
    search, support = gateway.key.token(), gateway.key.token(team_id="support")

    assert gateway.call(search, "search-only").status_code == 200
    assert gateway.call(search, "smart").status_code == 200
    assert gateway.call(support, "search-only").status_code == 403
    assert gateway.call(support, "smart").status_code == 403
    for name in ("Fast", "fast ", " fast", "fast\u0000", "m", "openai/m", "", "\uff46ast"):
        answer = gateway.call(search, name)
        assert answer.status_code in {400, 404}, name
        assert answer.json()["error"]["code"] in {"model_not_found", "invalid_value"}, name
    listed = {
        team: [
            model["id"]
            for model in gateway.client.get(
                "/v1/models", headers={"authorization": f"Bearer {token}"}
            ).json()["data"]
        ]
        for team, token in {"search": search, "support": support}.items()
    }
    assert listed == {"search": ["fast", "search-only", "smart"], "support": ["fast"]}


def test_internal_headers_of_a_caller_change_nothing(gateway: Gateway) -> None:
    """Identity, plan, attempt count and request id can't be set from outside."""
    forged_payload = unsigned({"iss": ISSUER, "tenant_id": "acme", "team_id": "search"}, {})
    payload = forged_payload.split(".")[1]
    support = gateway.key.token(team_id="support")
    names = ["x-bw-jwt", "x-bw-route", "x-bw-a1", "x-bw-id", "x-bw-model", "x-bw-plan"]
    for name in names:
        answer = gateway.call(support, "search-only", **{name: payload})
        assert answer.status_code == 403, name
        assert gateway.call(None, **{name: payload}).status_code == 401, name
    before = len(gateway.source.attempts())
    fixed = "11111111-1111-4111-8111-111111111111"
    ids = {
        gateway.call(
            support,
            **{
                "x-request-id": fixed,
                "x-envoy-attempt-count": "2",
                "x-envoy-max-retries": "5",
                "x-envoy-retry-on": "5xx",
                "x-envoy-upstream-rq-timeout-ms": "1",
            },
        ).headers["x-request-id"]
        for _ in range(5)
    }
    assert len(ids) == 5
    assert fixed not in ids
    seen = wait_for(
        "five attempts", lambda: len(a := gateway.source.attempts()) == before + 5 and a
    )
    leaked = {name for attempt in seen for name in attempt["headers"]}
    assert not {name for name in leaked if name.startswith("x-bw-") and name[5:6] != "a"}
    assert "x-bw-jwt" not in leaked
    assert "authorization" not in leaked


def test_service_accounts_are_bound_to_a_team(gateway: Gateway) -> None:
    """A bound account is its team; an unbound one is refused."""
    bound = gateway.up.bailiwick(
        "token", "--tenant", "acme", "--service-account", "acme-prod/ranking-api",
        "--data-dir", str(gateway.up.data),
    ).strip()  # fmt: skip
    unbound = gateway.up.bailiwick(
        "token", "--tenant", "acme", "--service-account", "acme-prod/other",
        "--data-dir", str(gateway.up.data),
    ).strip()  # fmt: skip
    answer = gateway.call(bound, "search-only")

    assert answer.status_code == 200
    assert gateway.call(unbound, "fast").status_code == 403
    rows = wait_for(
        "its row",
        lambda: [
            row for row in gateway.up.rows() if row["stream_id"] == answer.headers["x-request-id"]
        ],
    )
    assert [(row["team"], row["project"], row["cost_center"]) for row in rows] == [
        ("search", "ranking", "4711")
    ]


def test_every_other_path_is_404_and_never_passed_through(gateway: Gateway) -> None:
    """Only what is offered is there."""
    headers = {"authorization": f"Bearer {gateway.key.token()}"}
    before = len(gateway.source.attempts())
    for method, path in [
        ("GET", "/"),
        ("GET", "/v1"),
        ("POST", "/v1/chat/completions/"),
        ("POST", "/v1/chat"),
        ("GET", "/v1/chat/completions"),
        ("POST", "/v1/files"),
        ("POST", "/v1/batches"),
        ("POST", "/admit"),
        ("POST", "/attempt"),
        ("GET", "/metrics"),
        ("POST", "/v1/models"),
        ("POST", "//v1//admit"),
        ("POST", "/v1/../admit"),
    ]:
        answer = gateway.client.request(method, path, headers=headers, json={"model": "fast"})
        assert answer.status_code in {400, 404, 405}, (method, path, answer.status_code)
        assert answer.json()["error"]["code"], (method, path)
    assert len(gateway.source.attempts()) == before


def test_fetched_key_set_rotates_and_survives_an_outage(
    tmp_path: Path, counting_provider: Callable[[str], CountingProvider]
) -> None:
    """A new key is found when a token names it; with the issuer down, the known keys hold."""
    source = counting_provider("a")
    old, new = SigningKey("old"), SigningKey("new")
    keys = KeySet(old)
    up = Up(tmp_path)
    opened = contextlib.ExitStack()
    try:
        with running(up, documents(source.port, uri=keys.uri)):
            gateway = Gateway(up, old, source)
            opened.callback(gateway.client.close)
            assert gateway.call(old.token()).status_code == 200
            keys.keys = [new]
            gateway.call(new.token())
            wait_for("new key", lambda: gateway.call(new.token()).status_code == 200, 30)
            assert gateway.call(old.token()).status_code == 401
            keys.up = False
            assert gateway.call(new.token(header={"kid": "other"})).status_code == 401
            assert gateway.call(new.token()).status_code == 200
        up.start()
        gateway = Gateway(up, new, source)
        opened.callback(gateway.client.close)
        assert gateway.call(new.token()).status_code == 200
    finally:
        opened.close()
        keys.stop()
        up.stop()
