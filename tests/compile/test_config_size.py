"""A config has to fit into a ConfigMap."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
from compile.test_compiler_properties import EVERYTHING

from bailiwick_contract.bounds import MAX_CONFIG_BYTES
from bailiwick_contract.canon import canonical_bytes
from bailiwick_operator.api.v1alpha1.callers import (
    Callers,
    ClaimMapping,
    ClaimMappings,
    Jwks,
    JwtIssuer,
)
from bailiwick_operator.compile.findings import Ref
from bailiwick_operator.compile.inputs import CompileResult
from bailiwick_operator.compile.tenant import compile_tenant
from bailiwick_operator.conditions import Reason, Status

TENANT = Ref("Tenant", "", "acme")


def with_issuers(count: int) -> CompileResult:
    """The example with so many issuers, each with a key set of about 60 kB."""
    numbers = [
        base64.urlsafe_b64encode(index.to_bytes(2, "big") + bytes([255]) * 254).decode().rstrip("=")
        for index in range(1, 155)
    ]
    keys = json.dumps({"keys": [{"kty": "RSA", "e": "AQAB", "n": number} for number in numbers]})
    jwt = tuple(
        JwtIssuer(
            name=f"idp-{index}",
            issuer=f"https://idp-{index}.example",
            audiences=("x",),
            jwks=Jwks(inline=keys),
            claim_mappings=ClaimMappings(team=ClaimMapping(claim="team")),
        )
        for index in range(count)
    )
    spec = msgspec.structs.replace(EVERYTHING.tenant.spec, callers=Callers(jwt=jwt))
    tenant = msgspec.structs.replace(EVERYTHING.tenant, spec=spec)
    return compile_tenant(replace(EVERYTHING, tenant=tenant), datetime(2026, 10, 1, tzinfo=UTC))


def test_a_config_that_fits_is_served() -> None:
    """Up to the bound there is a config."""
    result = with_issuers(14)

    assert result.config is not None
    assert MAX_CONFIG_BYTES * 0.8 < len(canonical_bytes(result.config)) <= MAX_CONFIG_BYTES


def test_a_config_that_is_too_large_is_an_error_of_its_tenant() -> None:
    """Above it there is none, and the Tenant says so."""
    result = with_issuers(16)

    assert result.config is None
    assert result.conditions[TENANT].status is Status.FALSE
    assert result.conditions[TENANT].reason is Reason.CONFIG_TOO_LARGE
