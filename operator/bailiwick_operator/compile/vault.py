"""Where a provider's key lies in Vault, expanded for one tenant and kept inside its bounds."""

import re

from bailiwick_contract.v1.tenant_config_pb2 import Credential, TenantConfig
from bailiwick_contract.v1.tenant_config_pb2 import Vault as VaultConfig
from bailiwick_operator.api.v1alpha1 import Tenant
from bailiwick_operator.api.v1alpha1.provider import Credentials, CredentialType
from bailiwick_operator.api.v1alpha1.tenant import Vault
from bailiwick_operator.compile.findings import Report
from bailiwick_operator.compile.secret_keys import check_no_secret, compile_secret
from bailiwick_operator.conditions import Reason

ROTATE = "bailiwick.dev/rotate-keys"
"""Annotation of a Tenant: with another value than before, its gateways read every key at once."""

LONGEST_NOTICE = 64

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\Z")


def compile_credential(
    credentials: Credentials, tenant: Tenant, namespace: str, out: Report, *, own: bool
) -> Credential:
    """Where the agent finds the key; no key is ever in it. `own`: of a tenant's own provider."""
    if credentials.type != CredentialType.VAULT:
        _check_no_vault(credentials, out)
    if credentials.type == CredentialType.SECRET:
        return compile_secret(credentials, tenant, out, own=own)
    check_no_secret(credentials, out)
    if credentials.type == CredentialType.NONE:
        return Credential(type=Credential.TYPE_NONE)
    if credentials.type != CredentialType.VAULT:
        out.refuse(
            "spec.credentials.type",
            Reason.UNSUPPORTED,
            f"credentials.type {credentials.type.value} is not available yet: use Vault",
            cure="put the provider's key into Vault and name its path",
        )
        return Credential(type=Credential.TYPE_NONE)
    if credentials.vault is None:
        out.refuse(
            "spec.credentials.vault",
            Reason.INVALID,
            "credentials.vault is required with type Vault and forbidden otherwise",
            cure="give vault: {path, key} with type Vault, or remove it",
        )
        return Credential(type=Credential.TYPE_NONE)
    vault = tenant.spec.vault or Vault()
    return Credential(
        type=Credential.TYPE_VAULT,
        mount=vault.kv_mount,
        path=expanded_path(
            credentials.vault.path, tenant=tenant.metadata.name, namespace=namespace, out=out
        ),
        key=credentials.vault.key,
    )


def role_of(tenant: Tenant) -> str:
    """The role that the tenant's gateways log in with."""
    said = tenant.spec.vault.role if tenant.spec.vault else ""
    return said or f"bailiwick-{tenant.metadata.name}"


def apply_vault(tenant: Tenant, config: TenantConfig) -> None:
    """Say who the gateway is to Vault, where one of the config's keys lies there."""
    credentials = [config.quota_store.credential, *(one.credential for one in config.providers)]
    if any(one.type == Credential.TYPE_VAULT for one in credentials):
        vault = tenant.spec.vault or Vault()
        config.vault.CopyFrom(
            VaultConfig(
                auth_mount=vault.auth_mount,
                role=role_of(tenant),
                notice=tenant.metadata.annotations.get(ROTATE, "")[:LONGEST_NOTICE],
            )
        )


def check_prefix(path: str, prefix: str, out: Report) -> None:
    """Refuse a path that is not below the prefix, segment by segment."""
    wanted = [segment for segment in prefix.split("/") if segment]
    given = path.split("/")
    if given[: len(wanted)] != wanted or len(given) <= len(wanted) or not wanted:
        out.refuse(
            "spec.credentials.vault.path",
            Reason.VAULT_PATH_NOT_ALLOWED,
            f"{path} is not below {'/'.join(wanted)}, where the tenant's own keys lie",
            cure="put the key below ownProviders.vaultPrefix of the Tenant and name that path",
        )


def expanded_path(
    template: str,
    *,
    tenant: str,
    namespace: str,
    out: Report,
    where: str = "spec.credentials.vault.path",
) -> str:
    """The path with its placeholders filled in; empty where that is refused."""
    values = {"tenant": tenant, "namespace": namespace}
    unknown = sorted({name for name in _PLACEHOLDER.findall(template) if name not in values})
    if unknown:
        out.refuse(
            where,
            Reason.INVALID,
            f"{{{unknown[0]}}} stands for nothing",
            cure="only {tenant} and {namespace} expand",
        )
        return ""
    path = _PLACEHOLDER.sub(lambda match: values[match[1]], template)
    if not all(_SEGMENT.match(segment) for segment in path.split("/")):
        out.refuse(
            where,
            Reason.INVALID,
            "vault.path is a relative path of letters, digits, '.', '_' and '-' in which only"
            " {tenant} and {namespace} expand",
            cure="write it like llm/{tenant}/openai, without a leading slash or '..'",
        )
    return path


def _check_no_vault(credentials: Credentials, out: Report) -> None:
    if credentials.vault is not None:
        out.refuse(
            "spec.credentials.vault",
            Reason.INVALID,
            "credentials.vault is required with type Vault and forbidden otherwise",
            cure="give vault: {path, key} with type Vault, or remove it",
        )
