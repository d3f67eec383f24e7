"""A provider's key in a Secret: the exception, which the platform team has to allow."""

from bailiwick_contract.v1.tenant_config_pb2 import Credential
from bailiwick_operator.api.v1alpha1 import Tenant
from bailiwick_operator.api.v1alpha1.provider import Credentials
from bailiwick_operator.compile.findings import Report
from bailiwick_operator.conditions import Reason


def compile_secret(
    credentials: Credentials, tenant: Tenant, out: Report, *, own: bool
) -> Credential:
    """Which Secret of the namespace holds the key, with a warning; none where it may not be."""
    none = Credential(type=Credential.TYPE_NONE)
    if not own:
        out.refuse(
            "spec.credentials.type",
            Reason.UNSUPPORTED,
            "a ClusterModelProvider takes no key from a Secret",
            cure="put the key into Vault; a Secret is for a tenant's ModelProvider",
        )
        return none
    if credentials.secret is None:
        out.refuse(
            "spec.credentials",
            Reason.INVALID,
            "credentials.secret is required with type Secret and forbidden otherwise",
            cure="give secret: {name, key} with type Secret, or remove it",
        )
        return none
    allowed = tenant.spec.own_providers
    if allowed is None or not allowed.secrets:
        out.refuse(
            "spec.credentials.type",
            Reason.SECRET_NOT_ALLOWED,
            f"tenant {tenant.metadata.name} may not keep keys in Secrets",
            cure="put the key into Vault, or ask the platform team for ownProviders.secrets on the"
            " Tenant",
        )
        return none
    out.note(
        "spec.credentials.type",
        Reason.SECRET_DISCOURAGED,
        f"the key lies in Secret {credentials.secret.name}: in etcd and in its backups, readable"
        " for whoever may read Secrets here, and a new one is used only after a minute or two",
        cure="put the key into Vault",
    )
    return Credential(
        type=Credential.TYPE_SECRET, path=credentials.secret.name, key=credentials.secret.key
    )


def check_no_secret(credentials: Credentials, out: Report) -> None:
    """Refuse a reference to a Secret that has no effect."""
    if credentials.secret is not None:
        out.refuse(
            "spec.credentials",
            Reason.INVALID,
            "credentials.secret is required with type Secret and forbidden otherwise",
            cure="give secret: {name, key} with type Secret, or remove it",
        )
