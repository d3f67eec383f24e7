"""Tenant configs for tests."""

from bailiwick_contract.v1.tenant_config_pb2 import (
    Backend,
    Credential,
    Fallback,
    Issuer,
    Provider,
    Route,
    TenantConfig,
    Timeouts,
)
from bailiwick_sidecar.names import backend_code, endpoint_mark, route_code

ALL_CAUSES = [
    Fallback.WHEN_CONNECT_FAILURE,
    Fallback.WHEN_FIRST_BYTE_TIMEOUT,
    Fallback.WHEN_RATE_LIMITED,
    Fallback.WHEN_SERVER_ERROR,
]


def route(
    name: str = "fast",
    backends: tuple[str, ...] = ("a", "b"),
    timeouts: Timeouts | None = None,
    when: list[Fallback.When] | None = None,
) -> Route:
    """A route whose backends are at providers of the same names."""
    return Route(
        name=name,
        aliases=[name],
        backends=[Backend(name=one, provider=f"P/{one}", model="m") for one in backends],
        fallback=Fallback(when=ALL_CAUSES if when is None else when, max_attempts=len(backends)),
        timeouts=timeouts,
    )


ENDPOINTS: dict[str, str] = {}
"""Mark of the endpoint by backend code, as the newest config has it: what the agent would say."""


def config(ports: dict[str, int], *routes: Route) -> TenantConfig:
    """A config with plain providers on loopback by name."""
    return TenantConfig(
        contract_version=1,
        tenant="acme",
        namespace="acme-prod",
        issuers=[Issuer(name="corp", issuer="https://idp.test", audiences=["llm"])],
        providers=[
            Provider(
                name=f"P/{name}",
                host="127.0.0.1",
                port=port,
                path="/base/v9",
                credential=Credential(type=Credential.TYPE_NONE),
            )
            for name, port in ports.items()
        ],
        routes=list(routes),
    )


def remember(config: TenantConfig) -> None:
    """Take the marks of this config: it is the one that the agent would go by."""
    marks = {provider.name: endpoint_mark(provider) for provider in config.providers}
    for one in config.routes:
        for backend in one.backends:
            ENDPOINTS[backend_code(one.name, backend.name)] = marks.get(backend.provider, "")


def plan(name: str = "fast", backends: tuple[str, ...] = ("a", "b")) -> list[str]:
    """Backend codes of a route in this order."""
    return [backend_code(name, one) for one in backends]


def unary(name: str = "fast") -> str:
    """What /admit says of a unary call."""
    return f"{route_code(name)}-u"


def stream(name: str = "fast") -> str:
    """What /admit says of a stream."""
    return f"{route_code(name)}-s"
