"""A tenant's policy and role in Vault, from its compiled configs. Pure.

Sources: https://developer.hashicorp.com/vault/docs/concepts/policies,
https://developer.hashicorp.com/vault/api-docs/auth/kubernetes and …/auth/jwt.
"""

import json
import shlex
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bailiwick_contract.errors import BailiwickError
from bailiwick_contract.v1.tenant_config_pb2 import Credential, TenantConfig

TOKEN_TTL: Final = "20m"  # noqa: S105 -- a duration
TOKEN_MAX_TTL: Final = "24h"  # noqa: S105 -- a duration
METHODS: Final = ("kubernetes", "jwt")
_SUBJECT_PARTS: Final = 4
_KV_2: Final = 2


class NothingToGrantError(BailiwickError):
    """The tenant reads no key from Vault; the message says what to look at."""


@dataclass(frozen=True, slots=True)
class Trust:
    """How gateways prove who they are: the method at the tenant's mount, and what it checks."""

    method: str = "kubernetes"
    audience: str = "vault"
    service_account: str = "bailiwick-gateway"
    kv_version: int = 2
    """Of the KV engine at the tenants' mounts."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What one tenant's gateways may read, and which gateways these are. All sorted."""

    tenant: str
    role: str
    auth_mount: str
    namespaces: tuple[str, ...]
    paths: tuple[tuple[str, str], ...]
    """Mount and path of each key."""
    trust: Trust

    @property
    def policy(self) -> str:
        """Name of the policy: the role's."""
        return self.role


def grant(configs: Iterable[TenantConfig], trust: Trust) -> Grant:
    """The grant of the tenant whose configs these are, one for each of its namespaces.

    Raises:
        NothingToGrantError: none of them reads a key from Vault.
    """
    reading = [config for config in configs if config.HasField("vault")]
    if not reading:
        raise NothingToGrantError(
            "none of the tenant's routes uses a provider with credentials.type Vault: there is"
            " nothing to grant"
        )
    paths = {
        (one.mount, one.path)
        for config in reading
        for one in _credentials(config)
        if one.type == Credential.TYPE_VAULT
    }
    return Grant(
        tenant=reading[0].tenant,
        role=reading[0].vault.role,
        auth_mount=reading[0].vault.auth_mount,
        namespaces=tuple(sorted(config.namespace for config in reading)),
        paths=tuple(sorted(paths)),
        trust=trust,
    )


def _credentials(config: TenantConfig) -> tuple[Credential, ...]:
    return (*(one.credential for one in config.providers), config.quota_store.credential)


def api_paths(given: Grant) -> frozenset[str]:
    """Where Vault's API has the keys."""
    data = "data/" if given.trust.kv_version == _KV_2 else ""
    return frozenset(f"{mount.strip('/')}/{data}{path}" for mount, path in given.paths)


def policy_text(given: Grant, *, mark: str = "", more: Collection[str] = ()) -> str:
    """The policy in Vault's language: reading, of exactly these paths.

    `mark` is a comment line that says whose it is; `more` are further paths of the API.

    Paths hold letters, digits, '.', '_', '-' and '/' alone (the compiler refuses others), so
    nothing in them is a pattern.
    """
    lines = [f"# Tenant {given.tenant}: written from its resources, changes are overwritten."]
    lines += [mark] if mark else []
    lines += [
        f'path "{path}" {{ capabilities = ["read"] }}'
        for path in sorted({*api_paths(given), *more})
    ]
    return "\n".join(lines) + "\n"


def role_fields(given: Grant) -> Mapping[str, Any]:
    """The role: only the gateways' service account in exactly these namespaces may take it."""
    trust = given.trust
    common = {
        "token_policies": [given.policy],
        "token_ttl": TOKEN_TTL,
        "token_max_ttl": TOKEN_MAX_TTL,
    }
    if trust.method == "kubernetes":
        return {
            "bound_service_account_names": [trust.service_account],
            "bound_service_account_namespaces": list(given.namespaces),
            "audience": trust.audience,
            **common,
        }
    return {
        "role_type": "jwt",
        "user_claim": "sub",
        "bound_audiences": [trust.audience],
        "bound_claims_type": "string",
        "bound_claims": {
            "sub": [
                f"system:serviceaccount:{namespace}:{trust.service_account}"
                for namespace in given.namespaces
            ]
        },
        **common,
    }


def commands(given: Grant) -> str:
    """What a person runs, to grant it; running it again changes nothing."""
    role_path = f"auth/{given.auth_mount}/role/{given.role}"
    fields = json.dumps(role_fields(given), indent=2)
    return (
        f"vault policy write {shlex.quote(given.policy)} - <<'POLICY'\n"
        f"{policy_text(given)}POLICY\n"
        f"vault write {shlex.quote(role_path)} - <<'ROLE'\n{fields}\nROLE\n"
    )


def removal(given: Grant) -> str:
    """What a person runs when the tenant is gone."""
    role_path = f"auth/{given.auth_mount}/role/{given.role}"
    return (
        f"vault delete {shlex.quote(role_path)}\nvault policy delete {shlex.quote(given.policy)}\n"
    )


def role_namespaces(fields: Mapping[str, Any]) -> frozenset[str]:
    """The namespaces that such a role binds, by what Vault says of it."""
    found = set(fields.get("bound_service_account_namespaces") or ())
    claims = fields.get("bound_claims") or {}
    for subject in claims.get("sub") or ():
        parts = str(subject).split(":")
        if parts[:2] == ["system", "serviceaccount"] and len(parts) == _SUBJECT_PARTS:
            found.add(parts[2])
    return frozenset(found)
