"""A small tenant, its callers' payloads, and an admission over real parts, for these tests."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import json_format

from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_sidecar.accounting.errors import JournalUnwritableError
from bailiwick_sidecar.accounting.model import Intent
from bailiwick_sidecar.admission.answer import Answer, Request
from bailiwick_sidecar.admission.errors import RefusedError
from bailiwick_sidecar.admission.front import Front
from bailiwick_sidecar.admission.gate import Gate
from bailiwick_sidecar.admission.tables import Tables, live, tables
from bailiwick_sidecar.quota.engine import Engine
from bailiwick_sidecar.quota.limits import CompiledLimits
from bailiwick_sidecar.quota.memory import MemoryStore
from bailiwick_sidecar.quota.model import AttemptKey
from bailiwick_sidecar.secrets import Absent, KeyRef, Secret

NOW = 1_790_000_000_000
ISSUER = "https://idp.acme.example"
AUDIENCE = "llm.acme.example"
PRICE = {"source": "list", "rates": {"inputPerMillion": "1", "outputPerMillion": "2"}}


def provider(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "protocol": "PROTOCOL_OPENAI",
        "host": "127.0.0.1",
        "port": 1,
        "credential": {"type": "TYPE_NONE"},
        **changes,
    }


def backend(name: str, provider: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "provider": provider,
        "model": f"{name}-model",
        "tier": "shared",
        "weight": 1,
        "prices": [PRICE],
        **changes,
    }


def limit(id_: str, kind: str, amount: int = 0, **changes: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "kind": f"KIND_{kind}",
        "scope": "SCOPE_NAMESPACE",
        "mode": "MODE_ENFORCE",
        "amount": amount,
        **changes,
    }


def keyed(path: str) -> dict[str, Any]:
    return {"type": "TYPE_VAULT", "mount": "secret", "path": path, "key": "api_key"}


def config(**changes: Any) -> TenantConfig:
    """Tenant acme: teams search and support, routes fast (two backends) and smart (premium)."""
    said: dict[str, Any] = {
        "contractVersion": 1,
        "tenant": "acme",
        "namespace": "acme-prod",
        "currency": "USD",
        "timeZone": "UTC",
        "issuers": [
            {
                "name": "corp",
                "kind": "KIND_JWT",
                "issuer": ISSUER,
                "audiences": [AUDIENCE],
                "jwksUri": f"{ISSUER}/jwks",
                "requiredClaims": [{"claim": "tenant_id", "value": "acme"}],
                "claimMappings": {"team": "team_id", "project": "/ctx/project", "user": "sub"},
            },
            {
                "name": "cluster",
                "kind": "KIND_SERVICE_ACCOUNT",
                "issuer": "https://cluster.example",
                "audiences": ["bailiwick"],
                "jwksUri": "https://cluster.example/jwks",
            },
        ],
        "serviceAccounts": [
            {
                "name": "ranking",
                "namespace": "acme-prod",
                "serviceAccount": "ranking-api",
                "team": "search",
                "project": "ranking",
            }
        ],
        "teams": [
            {
                "name": "search",
                "costCenter": "4700",
                "projects": [{"name": "ranking", "costCenter": "4711"}, {"name": "lab"}],
            },
            {
                "name": "support",
                "claimValues": ["7f3e"],
                "projects": [{"name": "helpdesk", "costCenter": "4712"}],
            },
        ],
        "callerTags": ["customer_id", "feature_name"],
        "modelAccess": [{"tier": "shared"}, {"tier": "premium", "teams": ["search"]}],
        "providers": [
            provider("P/a", credential=keyed("llm/acme/a")),
            provider("P/b"),
        ],
        "routes": [
            {
                "name": "fast",
                "aliases": ["fast", "default"],
                "backends": [
                    backend("a", "P/a", maxOutputTokens=16384),
                    backend("b", "P/b", priority=1, maxOutputTokens=2048),
                ],
                "fallback": {"when": ["WHEN_SERVER_ERROR"], "maxAttempts": 2},
                "maxOutputTokens": 4096,
                "defaultOutputTokens": 1024,
            },
            {
                "name": "smart",
                "aliases": ["smart"],
                "backends": [backend("b", "P/b", tier="premium")],
                "fallback": {"maxAttempts": 1},
            },
        ],
        "unpricedModels": "UNPRICED_MODELS_DENY",
        **changes,
    }
    return json_format.ParseDict(said, TenantConfig())


def claims(**changes: Any) -> dict[str, Any]:
    """A good payload of team search; a value of None takes the claim out."""
    said = {
        "iss": ISSUER,
        "aud": [AUDIENCE],
        "sub": "alice",
        "tenant_id": "acme",
        "team_id": "search",
        "ctx": {"project": "ranking"},
        **changes,
    }
    return {name: value for name, value in said.items() if value is not None}


def payload(said: object) -> str:
    """As Envoy forwards it: base64url without padding."""
    return base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")


class Keys:
    """A source of keys that a test fills."""

    def __init__(self, **paths: str) -> None:
        self.paths = paths

    def get(self, ref: KeyRef) -> Secret | Absent:
        found = self.paths.get(ref.path.rpartition("/")[2])
        return Secret(found) if found else Absent("the test has none")


class Accounts:
    """Books that a test can look into, break, and hold up."""

    def __init__(self) -> None:
        self.intents: list[Intent] = []
        self.writable = True
        self.waited: list[AttemptKey] = []
        self.abandoned: list[AttemptKey] = []
        self.on_catch_up: Callable[[], None] = lambda: None

    async def open(self, intent: Intent) -> None:
        if not self.writable:
            raise JournalUnwritableError("disk full")
        self.intents.append(intent)

    async def abandon(self, key: AttemptKey) -> None:
        self.abandoned.append(key)

    async def ended(self, key: AttemptKey, timeout: float) -> bool:  # noqa: ASYNC109 -- the book's own signature
        self.waited.append(key)
        return True

    async def caught_up(self) -> None:
        self.on_catch_up()


class Counted:
    """Remembers what was counted."""

    def __init__(self) -> None:
        self.refusals: list[tuple[str, str, str]] = []

    def admitted(self, intent: Intent) -> None:
        """Nothing to remember."""

    def refused(self, code: str, *, team: str, route: str, limit: str, protocol: str) -> None:
        self.refusals.append((code, team, limit))


@dataclass
class Admission:
    """A whole admission, but for Envoy and the disk."""

    config: TenantConfig = field(default_factory=config)
    now: int = NOW
    keys: Keys = field(default_factory=lambda: Keys(a="sk-a"))
    numbers: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.accounts = Accounts()
        self.counted = Counted()
        self.engine = Engine(CompiledLimits.of(self.config.limits), "UTC")
        self.gate = Gate(
            store=MemoryStore(self.engine),
            accounts=self.accounts,
            keys=self.keys,
            clock=lambda: self.now,
            random=lambda: self.numbers.pop(0) if self.numbers else 0.0,
            watcher=self.counted,
            tables=acked(self.config),
        )
        self.front = Front(self.gate, lambda: ())

    async def admit(
        self, stream_id: str = "s-1", /, *, who: dict[str, Any] | None = None, **body: Any
    ) -> Answer:
        said = {
            "path": "/v1/chat/completions",
            "size": 100,
            "opaque": False,
            "model": "fast",
            **body,
        }
        headers = {"x-bw-id": stream_id, "x-bw-jwt": payload(who or claims())}
        return await self.front(Request("POST", "/admit", headers, json.dumps(said).encode()))

    async def attempt(self, stream: str, number: int, code: str) -> Answer:
        headers = {"x-bw-id": stream, "x-bw-attempt": str(number), "x-bw-backend": code}
        return await self.front(Request("POST", "/attempt", headers, b""))

    async def get(self, path: str, who: dict[str, Any] | None = None) -> Answer:
        headers = {"x-bw-jwt": payload(who or claims())}
        try:
            return await self.front(Request("GET", path, headers, b""))
        except RefusedError as refused:  # as the server does
            return refused.refusal.answer()


def acked(said: TenantConfig) -> Tables:
    """The config's tables with every backend acknowledged."""
    compiled = tables(said)
    return live(compiled, compiled)


def error(answer: Answer) -> dict[str, Any]:
    """The error object of a refusal."""
    found = json.loads(answer.body)["error"]
    assert set(found) >= {"message", "type", "param", "code"}
    return dict(found)
