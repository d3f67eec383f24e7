"""The collector's settings: one strict YAML file, written by the chart. No secret is in it."""

from enum import Enum
from pathlib import Path

import msgspec

from bailiwick_collector.errors import SettingsError


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A strict part of the settings file."""


class Engine(Enum):
    """What is mounted where the login is."""

    KV = "kv"
    """A user and password that somebody wrote there."""
    DATABASE = "database"
    """Logins that Vault makes, each for a while (`creds/ROLE`)."""


class VaultPlace(Part, frozen=True, kw_only=True):
    """Where in Vault the database's user and password are, and how to log in there."""

    address: str
    role: str
    path: str
    mount: str = "secret"
    engine: Engine = Engine.KV
    auth_mount: str = "kubernetes"
    method: str = "kubernetes"
    namespace: str = ""
    token_file: str = "/var/run/secrets/bailiwick/vault/token"  # noqa: S105 - a path
    ca_file: str = ""
    user_field: str = "username"
    password_field: str = "password"  # noqa: S105 - a field's name


class Credentials(Part, frozen=True, kw_only=True):
    """One of the two: Vault, or a folder with files `username` and `password`."""

    vault: VaultPlace | None = None
    folder: str = ""


class Database(Part, frozen=True, kw_only=True):
    """Where PostgreSQL is. `host` may name several, by commas: the one that takes writes is used.

    `tls` is libpq's sslmode; `socket` and plain TCP to loopback are for development.
    """

    host: str
    port: int = 5432
    name: str = "bailiwick"
    tls: str = "verify-full"
    ca_file: str = ""
    connections: int = 8
    credentials: Credentials


class Settings(Part, frozen=True, kw_only=True):
    """Everything that can be set."""

    database: Database
    address: str = "[::]:8444"
    """Where agents connect."""
    certificates: str = "/var/run/bailiwick/tls"
    """Folder with tls.crt and tls.key, read again while it runs."""
    audience: str = "bailiwick-collector"
    """Of the token with which an agent proves whose it is."""
    service_account: str = "bailiwick-gateway"
    metrics: str = "0.0.0.0:9090"
    review_seconds: float = 60.0
    """How long a reviewed token and a namespace's tenant are believed."""


def load_settings(path: Path) -> Settings:
    """The settings of this file.

    Raises:
        SettingsError: it names file and field.
    """
    try:
        said = msgspec.yaml.decode(path.read_bytes(), type=Settings)
    except OSError as error:
        raise SettingsError(
            f"{path} can't be read ({error.strerror}): mount the chart's settings there, or name"
            " another file with --settings"
        ) from error
    except msgspec.MsgspecError as error:
        raise SettingsError(f"{path}: {error}; see docs/postgresql.md") from error
    credentials = said.database.credentials
    if bool(credentials.vault) == bool(credentials.folder):
        raise SettingsError(
            f"{path}: database.credentials names vault or folder, exactly one of them"
        )
    return said
