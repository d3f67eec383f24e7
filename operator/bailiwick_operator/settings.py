"""The operator's settings: one strict YAML file, written by the chart."""

from pathlib import Path

import msgspec

from bailiwick_contract.errors import BailiwickError
from bailiwick_operator.api.v1alpha1.quota_store import QuotaStore
from bailiwick_operator.children.model import GatewaySettings, Part


class SettingsError(BailiwickError):
    """The settings file is missing or says something that is not understood."""


class OtherServer(Part, frozen=True, kw_only=True):
    """A server for which the operator makes a certificate, of the authority that agents trust."""

    secret: str
    names: tuple[str, ...]


class Stream(Part, frozen=True, kw_only=True):
    """The config stream to the agents."""

    address: str = "[::]:8443"
    """Where to listen."""
    names: tuple[str, ...] = ("bailiwick-operator.bailiwick-system.svc",)
    """DNS names in the operator's certificate."""
    certificates: str = ""
    """Folder with tls.crt, tls.key and ca.crt; empty: the operator makes its own."""
    secret: str = "bailiwick-operator-tls"  # noqa: S105 - a name
    """Secret in which the operator keeps the certificate that it makes."""
    others: tuple[OtherServer, ...] = ()
    """Made and renewed together with its own; not where `certificates` names a folder."""


class VaultManagement(Part, frozen=True, kw_only=True):
    """Whether the operator writes tenants' policies and roles into Vault, and as whom.

    Where Vault is, and how gateways log in, `gateway.vault` says.
    """

    manage: bool = False
    auth_mount: str = "kubernetes"
    """Where the operator logs in."""
    role: str = "bailiwick.operator"
    """As whom; no tenant's role has a dot there."""
    kv_version: int = 2
    """Of the KV engine at the tenants' mounts."""
    token_file: str = "/var/run/secrets/bailiwick/vault/token"  # noqa: S105 - a path
    """The operator's own projected token."""
    ca_file: str = ""
    """PEM; empty: the image's trust store."""


class Settings(Part, frozen=True, kw_only=True):
    """Everything that can be set."""

    gateway: GatewaySettings
    stream: Stream = Stream()
    quota_store: QuotaStore | None = None
    """Where gateways of tenants that name no store count together; None: nowhere."""
    vault: VaultManagement = VaultManagement()
    namespace: str = "bailiwick-system"
    """Where the operator runs."""
    identity: str = ""
    """As whom it holds the lease; empty: the host's name, which is the pod's."""
    liveness: str = "http://0.0.0.0:8081/healthz"
    workers: int = 4
    """Tenants that are brought in order at the same time."""
    resync_seconds: float = 600.0
    """Every tenant is looked at again after this long."""


def load_settings(path: Path) -> Settings:
    """The settings of this file; raises SettingsError that names file and field."""
    try:
        return msgspec.yaml.decode(path.read_bytes(), type=Settings)
    except OSError as error:
        raise SettingsError(
            f"{path} can't be read ({error.strerror}): mount the chart's settings there, or name"
            " another file with --settings"
        ) from error
    except msgspec.MsgspecError as error:
        raise SettingsError(f"{path}: {error}; see the chart's values") from error
