"""The tenant that a run serves: limits that refuse some calls, two providers, three routes."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bench.faults.plan import TEAMS

API: Final = "bailiwick.dev/v1alpha1"
TENANT: Final = "acme"
NAMESPACE: Final = "acme-prod"
TOGETHER: Final = ("acme-night", NAMESPACE)
"""Namespaces of a run whose gateways count together, in alphabetical order."""
INPUT_PER_MILLION: Final = 1
OUTPUT_PER_MILLION: Final = 2


def documents(
    ports: Mapping[str, int], *, count: int, namespaces: Sequence[str] = (NAMESPACE,)
) -> list[dict[str, Any]]:
    """The resources, for providers on these ports and so many calls.

    The bots' budget is spent about half way through. One namespace has its limits in
    Quotas; several share theirs, which are the Tenant's.
    """
    found = [
        _one("ClusterModelProvider", name, spec=_provider(port)) for name, port in ports.items()
    ]
    for namespace in namespaces:
        found += [
            _route("both", namespace, _backend("a"), _backend("b", priority=1)),
            _route("only-a", namespace, _backend("a")),
            _route("only-b", namespace, _backend("b")),
        ]
    rules = _rules(count)
    shared = len(namespaces) > 1
    if not shared:
        found += [
            _one("Quota", rule["name"], spec=_without(rule, "name"), namespace=NAMESPACE)
            for rule in rules
        ]
    tenant = _tenant(namespaces) | ({"defaults": rules} if shared else {})
    return [_one("Tenant", TENANT, spec=tenant), *found]


def _rules(count: int) -> list[dict[str, Any]]:
    def rule(name: str, subject: dict[str, Any], **limits: object) -> dict[str, Any]:
        return {"name": name, "subject": subject, "limits": limits}

    return [
        rule(
            "each-user",
            {"each": ["User"]},
            requestsPerSecond=8,
            requestsPerMinute=200,
            tokensPerMinute=36000,
            concurrentRequests=3,
            tokensPerMonth=10**9,
        ),
        # Smaller than what its users may have together, so that callers meet each other's use.
        rule("search", {"team": "search"}, tokensPerMinute=110000, concurrentRequests=6),
        rule("bots", {"team": "bots"}, budgets=[{"period": "Day", "amount": f"{count * 5e-5:f}"}]),
    ]


def _without(of: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in of.items() if key != name}


def _tenant(namespaces: Sequence[str]) -> dict[str, Any]:
    return {
        "namespaces": [{"name": namespace} for namespace in namespaces],
        "currency": "USD",
        "timeZone": "UTC",
        "teams": [
            {"name": team, "projects": [{"name": project, "costCenter": "1"}]}
            for team, project in TEAMS.items()
        ],
        "callerTags": ["call", "copy"],
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


def _route(name: str, namespace: str, *backends: dict[str, Any]) -> dict[str, Any]:
    when = ["ConnectFailure", "FirstByteTimeout", "RateLimited", "ServerError"]
    spec: dict[str, Any] = {
        "backends": list(backends),
        "timeouts": {"request": "20s", "backendRequest": "10s"},
    }
    if len(backends) > 1:
        spec["fallback"] = {"when": when, "maxAttempts": len(backends)}
    return _one("ModelRoute", name, spec=spec, namespace=namespace)


def _one(kind: str, name: str, *, spec: dict[str, Any], namespace: str = "") -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": API, "kind": kind, "metadata": metadata, "spec": spec}
