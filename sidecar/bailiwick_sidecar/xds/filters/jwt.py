"""Who vouches for callers. Delivered by ECDS: a new key or issuer does not touch the listener."""

import json
from dataclasses import replace

from envoy_data_plane.envoy.config.core.v3 import ExtensionConfigSource, TypedExtensionConfig
from envoy_data_plane.envoy.config.route.v3 import RouteMatch
from envoy_data_plane.envoy.extensions.filters.http.jwt_authn.v3 import (
    JwtAuthentication,
    JwtCacheConfig,
    JwtHeader,
    JwtProvider,
    JwtRequirement,
    JwtRequirementOrList,
    RequirementRule,
)
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import HttpFilter

from bailiwick_contract.v1.tenant_config_pb2 import Issuer, TenantConfig
from bailiwick_sidecar.xds.grpc_api import CALLS, HEALTH
from bailiwick_sidecar.xds.messages import ads, inline, packed
from bailiwick_sidecar.xds.runtime import Runtime

NAME = "bailiwick.jwt"
PAYLOAD_HEADER = "x-bw-jwt"
OPEN_PATHS = ("/healthz", "/readyz")
_CLOCK_SKEW_SECONDS = 30
_TYPE = "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"
# A point of P-256 taken from a hash (SHA-256 of "bailiwick: nobody's key 0", the smaller y): nobody
# knows its private half, so that an issuer whose keys are not known refuses every token. Envoy
# takes no empty key set.
_NOBODY = json.dumps(
    {
        "keys": [
            {
                "kty": "EC",
                "crv": "P-256",
                "alg": "ES256",
                "kid": "nobody",
                "x": "1_tKDU0iirAxULegPSqof2vj_PRb8julrusue4-SbJI",
                "y": "FHFhKy3L68DgYk23V0qkG88KdhwYjsE0ikziJcaC924",
            }
        ]
    }
)
_NOBODYS_ISSUER = "urn:bailiwick:nobody"


def jwt_filter() -> HttpFilter:
    """The place in the chain; what stands there comes as a resource of its own."""
    return HttpFilter(
        name=NAME,
        config_discovery=ExtensionConfigSource(config_source=ads(), type_urls=[_TYPE]),
    )


def jwt_extension(config: TenantConfig, runtime: Runtime) -> TypedExtensionConfig:
    """The issuers, and what each path asks for."""
    providers = {
        f"issuer-{index}": _provider(issuer, runtime.jwks.get(issuer.name, ""))
        for index, issuer in enumerate(config.issuers)
    }
    if not providers:
        nobody = Issuer(issuer=_NOBODYS_ISSUER, audiences=[_NOBODYS_ISSUER])
        providers["nobody"] = _provider(nobody, "")
    # The token of a call by gRPC stays with it: it is looked at again where the agent sends it on.
    kept = {f"{name}-kept": replace(one, forward=True) for name, one in providers.items()}
    rules = [RequirementRule(match=RouteMatch(path=path)) for path in OPEN_PATHS]
    rules += [
        RequirementRule(match=RouteMatch(prefix=HEALTH)),
        RequirementRule(match=RouteMatch(prefix=CALLS), requires=_any_of(list(kept))),
        RequirementRule(match=RouteMatch(prefix="/"), requires=_any_of(list(providers))),
    ]
    providers |= kept
    message = JwtAuthentication(providers=providers, rules=rules)
    return TypedExtensionConfig(name=NAME, typed_config=packed(message))


def _provider(issuer: Issuer, jwks: str) -> JwtProvider:
    return JwtProvider(
        issuer=issuer.issuer,
        audiences=list(issuer.audiences),
        require_expiration=True,
        clock_skew_seconds=_CLOCK_SKEW_SECONDS,
        local_jwks=inline(jwks or _NOBODY),
        from_headers=[JwtHeader(name="authorization", value_prefix="Bearer ")],
        forward=False,
        forward_payload_header=PAYLOAD_HEADER,
        jwt_cache_config=JwtCacheConfig(jwt_cache_size=1000),
    )


def _any_of(names: list[str]) -> JwtRequirement:
    if len(names) == 1:
        return JwtRequirement(provider_name=names[0])
    return JwtRequirement(
        requires_any=JwtRequirementOrList(
            requirements=[JwtRequirement(provider_name=name) for name in names]
        )
    )
