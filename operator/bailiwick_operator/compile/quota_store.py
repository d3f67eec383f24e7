"""Where a tenant's gateways count together: its own store, or the platform's."""

from bailiwick_contract.v1.tenant_config_pb2 import Credential, TenantConfig
from bailiwick_contract.v1.tenant_config_pb2 import QuotaStore as QuotaStoreConfig
from bailiwick_operator.api.v1alpha1.tenant import Vault
from bailiwick_operator.compile.findings import Report
from bailiwick_operator.compile.inputs import CompileInput
from bailiwick_operator.compile.vault import expanded_path
from bailiwick_operator.conditions import Reason

MAX_PORT = 65535
SERVER_PORT = 6379
"""Where servers behind Sentinels listen, unless it is said."""


class _NoPortError(Exception):
    """A part of the address has a port that does not exist."""


def apply_quota_store(inputs: CompileInput, config: TenantConfig, out: Report) -> None:
    """Name the store, where there is one. No password is ever in it.

    The prefix is of one tenant, and of one life of it: a tenant that is made anew begins at nothing
    used.
    """
    tenant = inputs.tenant
    store = tenant.spec.quota_store or inputs.quota_store
    if store is None:
        return
    try:
        found = _placed(store.address)
    except _NoPortError as error:
        out.refuse(
            "spec.quotaStore.address",
            Reason.INVALID,
            f"{error} has no port that exists",
            cure="write host and port, such as valkey.quota.svc:6379",
        )
        return
    name = tenant.metadata.name
    found.tls = store.tls
    found.ca_bundle = store.ca_bundle
    found.prefix = f"{{{store.key_prefix}:{tenant.metadata.uid or name}}}"
    found.credential.type = Credential.TYPE_NONE
    if store.password is not None:
        vault = tenant.spec.vault or Vault()
        found.user = store.user or f"bailiwick-{name}"
        found.credential.CopyFrom(
            Credential(
                type=Credential.TYPE_VAULT,
                mount=vault.kv_mount,
                path=expanded_path(
                    store.password.path,
                    tenant=name,
                    namespace=inputs.namespace,
                    out=out,
                    where="spec.quotaStore.password.path",
                ),
                key=store.password.key,
            )
        )
    config.quota_store.CopyFrom(found)


def _placed(address: str) -> QuotaStoreConfig:
    """The store at this address, whose form the schema has checked."""
    form, _, rest = address.rpartition("://")
    if form == "redis+cluster":
        return QuotaStoreConfig(nodes=[_endpoint(one) for one in rest.split(",")])
    if form == "redis+sentinel":
        hosts, _, what = rest.partition("/")
        primary, _, port = what.partition("?port=")
        return QuotaStoreConfig(
            sentinels=[_endpoint(one) for one in hosts.split(",")],
            primary=primary,
            server_port=_port(f"?port={port}", port) if port else SERVER_PORT,
        )
    one = _endpoint(address)
    return QuotaStoreConfig(host=one.host, port=one.port)


def _endpoint(text: str) -> QuotaStoreConfig.Endpoint:
    host, _, port = text.rpartition(":")
    return QuotaStoreConfig.Endpoint(host=host.strip("[]"), port=_port(text, port))


def _port(where: str, text: str) -> int:
    port = int(text)
    if not 0 < port <= MAX_PORT:
        raise _NoPortError(where)
    return port
