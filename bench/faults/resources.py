"""The tenant that a run serves: limits that refuse some calls, two providers, three routes."""

from collections.abc import Mapping
from typing import Any, Final

from bench.faults.plan import TEAMS

API: Final = "bailiwick.dev/v1alpha1"
TENANT: Final = "acme"
NAMESPACE: Final = "acme-prod"
INPUT_PER_MILLION: Final = 1
OUTPUT_PER_MILLION: Final = 2


def documents(ports: Mapping[str, int], *, count: int) -> list[dict[str, Any]]:
    """The resources, for providers on these ports and so many calls.

    The bots' budget is spent about half way through.
    """
    return [
        _one("Tenant", TENANT, spec=_tenant()),
        *(_one("ClusterModelProvider", name, spec=_provider(port)) for name, port in ports.items()),
        _route("both", _backend("a"), _backend("b", priority=1)),
        _route("only-a", _backend("a")),
        _route("only-b", _backend("b")),
        _quota(
            "each-user",
            {"each": ["User"]},
            requestsPerSecond=8,
            requestsPerMinute=200,
            tokensPerMinute=36000,
            concurrentRequests=3,
            tokensPerMonth=10**9,
        ),
        # Smaller than what its users may have together, so that callers meet each other's use.
        _quota("search", {"team": "search"}, tokensPerMinute=110000, concurrentRequests=6),
        _quota(
            "bots", {"team": "bots"}, budgets=[{"period": "Day", "amount": f"{count * 5e-5:f}"}]
        ),
    ]


def _tenant() -> dict[str, Any]:
    return {
        "namespaces": [{"name": NAMESPACE}],
        "currency": "USD",
        "timeZone": "UTC",
        "teams": [
            {"name": team, "projects": [{"name": project, "costCenter": "1"}]}
            for team, project in TEAMS.items()
        ],
        "callerTags": ["call"],
        "modelAccess": [{"tier": "shared"}],
        "limits": {
            "requestsPerSecond": 500,
            "tokensPerMonth": 10**12,
            "budgets": [{"period": "Month", "amount": "100000.00"}],
        },
    }


def _provider(port: int) -> dict[str, Any]:
    price = {"inputPerMillion": str(INPUT_PER_MILLION), "outputPerMillion": str(OUTPUT_PER_MILLION)}
    return {
        "protocol": "OpenAI",
        "baseURL": f"http://127.0.0.1:{port}/v1",
        "region": "here",
        "tier": "shared",
        "credentials": {"type": "None"},
        "currency": "USD",
        "models": [{"name": "m", "maxOutputTokens": 4096, "price": price}],
    }


def _backend(provider: str, **more: object) -> dict[str, Any]:
    reference = {"kind": "ClusterModelProvider", "name": provider}
    return {"name": provider, "provider": reference, "model": "m", **more}


def _route(name: str, *backends: dict[str, Any]) -> dict[str, Any]:
    when = ["ConnectFailure", "FirstByteTimeout", "RateLimited", "ServerError"]
    spec: dict[str, Any] = {
        "backends": list(backends),
        "timeouts": {"request": "20s", "backendRequest": "10s"},
    }
    if len(backends) > 1:
        spec["fallback"] = {"when": when, "maxAttempts": len(backends)}
    return _one("ModelRoute", name, spec=spec, namespace=NAMESPACE)


def _quota(name: str, subject: dict[str, Any], **limits: object) -> dict[str, Any]:
    return _one("Quota", name, spec={"subject": subject, "limits": limits}, namespace=NAMESPACE)


def _one(kind: str, name: str, *, spec: dict[str, Any], namespace: str = "") -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": API, "kind": kind, "metadata": metadata, "spec": spec}
