"""Where a tenant's gateways count together: its own store, or the platform's."""

from bailiwick_contract.v1.tenant_config_pb2 import Credential, TenantConfig
from bailiwick_contract.v1.tenant_config_pb2 import QuotaStore as QuotaStoreConfig
from bailiwick_operator.api.v1alpha1.tenant import Vault
from bailiwick_operator.compile.findings import Report
from bailiwick_operator.compile.inputs import CompileInput
from bailiwick_operator.compile.vault import expanded_path
from bailiwick_operator.conditions import Reason

MAX_PORT = 65535


def apply_quota_store(inputs: CompileInput, config: TenantConfig, out: Report) -> None:
    """Name the store, where there is one. No password is ever in it.

    The prefix is of one tenant, and of one life of it: a tenant that is made anew begins at nothing
    used.
    """
    tenant = inputs.tenant
    store = tenant.spec.quota_store or inputs.quota_store
    if store is None:
        return
    host, _, port = store.address.rpartition(":")
    if not 0 < int(port) <= MAX_PORT:
        out.refuse(
            "spec.quotaStore.address",
            Reason.INVALID,
            f"{store.address} has no port that exists",
            cure="write host and port, such as valkey.quota.svc:6379",
        )
        return
    name = tenant.metadata.name
    whose = tenant.metadata.uid or name
    found = QuotaStoreConfig(
        host=host.strip("[]"),
        port=int(port),
        tls=store.tls,
        ca_bundle=store.ca_bundle,
        prefix=f"{{{store.key_prefix}:{whose}}}",
        credential=Credential(type=Credential.TYPE_NONE),
    )
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
