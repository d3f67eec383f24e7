"""Resources of one small tenant, built in code so that a test states only what it is about."""

from typing import Any

API = "bailiwick.dev/v1alpha1"


def tenant(
    name: str = "acme", *, namespaces: tuple[str, ...] = ("acme-prod",), **spec: Any
) -> dict[str, Any]:
    """A tenant with the teams search and support, nothing limited."""
    return {
        "apiVersion": API,
        "kind": "Tenant",
        "metadata": {"name": name},
        "spec": {
            "namespaces": [{"name": namespace} for namespace in namespaces],
            "currency": "USD",
            "timeZone": "Europe/Berlin",
            "teams": [
                {"name": "search", "projects": [{"name": "ranking", "costCenter": "4711"}]},
                {"name": "support", "projects": [{"name": "helpdesk", "costCenter": "4712"}]},
            ],
            "callerTags": ["feature_name"],
            "modelAccess": [{"tier": "shared"}, {"tier": "premium", "teams": ["search"]}],
            **spec,
        },
    }


def provider(name: str, port: int, **spec: Any) -> dict[str, Any]:
    """A provider on this machine with the models m (shared) and p (premium)."""
    return {
        "apiVersion": API,
        "kind": "ClusterModelProvider",
        "metadata": {"name": name},
        "spec": {
            "protocol": "OpenAI",
            "baseURL": f"http://127.0.0.1:{port}/v1",
            "region": "eu-central-1",
            "tier": "shared",
            "credentials": {"type": "None"},
            "currency": "USD",
            "models": [
                {
                    "name": "m",
                    "maxOutputTokens": 4096,
                    "contextWindow": 128000,
                    "price": {"inputPerMillion": "1.00", "outputPerMillion": "2.00"},
                },
                {
                    "name": "p",
                    "tier": "premium",
                    "maxOutputTokens": 4096,
                    "price": {"inputPerMillion": "10.00", "outputPerMillion": "20.00"},
                },
            ],
            **spec,
        },
    }


def backend(provider_name: str, model: str = "m", **more: Any) -> dict[str, Any]:
    """One backend of a route."""
    return {
        "name": provider_name,
        "provider": {"kind": "ClusterModelProvider", "name": provider_name},
        "model": model,
        **more,
    }


def route(
    name: str, *backends: dict[str, Any], namespace: str = "acme-prod", **spec: Any
) -> dict[str, Any]:
    """A route to these backends."""
    return {
        "apiVersion": API,
        "kind": "ModelRoute",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"backends": list(backends), **spec},
    }


def quota(
    name: str,
    subject: dict[str, Any],
    limits: dict[str, Any],
    *,
    namespace: str = "acme-prod",
    **spec: Any,
) -> dict[str, Any]:
    """A quota of the namespace."""
    return {
        "apiVersion": API,
        "kind": "Quota",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"subject": subject, "limits": limits, **spec},
    }
