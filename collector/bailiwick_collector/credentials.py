"""As whom the collector logs in to PostgreSQL: read from Vault or files, kept in memory alone."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from bailiwick_collector.errors import CredentialsError
from bailiwick_collector.settings import Credentials, Engine, VaultPlace
from bailiwick_sidecar.secrets import KeyRef, Secret
from bailiwick_sidecar.vault.outcomes import Found
from bailiwick_sidecar.vault.reader import Login, Reader
from bailiwick_sidecar.vault.settings import Method, VaultSettings

KEPT_S: Final = 30.0
"""How long an answer of Vault is used for new connections; a refused one is asked again at once."""


@dataclass(frozen=True, slots=True)
class User:
    """A login of the database."""

    name: str
    password: Secret


class CredentialSource(Protocol):
    """Where logins come from. Blocks; used from the database's threads."""

    def user(self) -> User:
        """The login for a new connection; raises CredentialsError where there is none."""
        ...

    def superseded(self, name: str) -> bool:
        """True where connections of this login should be left, since there is another."""
        ...

    def refused(self) -> None:
        """The database did not take it: look anew next time."""
        ...


class FolderCredentials:
    """Files `username` and `password`, as Kubernetes mounts a Secret; read for each connection."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def user(self) -> User:
        """See CredentialSource."""
        return User(self._read("username"), Secret(self._read("password")))

    def superseded(self, name: str) -> bool:  # noqa: ARG002 -- the protocol's
        """See CredentialSource: what was taken is good."""
        return False

    def refused(self) -> None:
        """See CredentialSource: the files are read each time."""

    def _read(self, name: str) -> str:
        path = self._folder / name
        try:
            text = path.read_text(encoding="utf-8").rstrip("\n")
        except OSError as error:
            raise CredentialsError(
                f"{path} can't be read ({error.strerror}): mount the Secret with the database's"
                " username and password there"
            ) from error
        if not text:
            raise CredentialsError(f"{path} is empty: write the database's {name} there")
        return text


class VaultCredentials:
    """A login in Vault's KV engine; a new version is used for the next connections."""

    def __init__(
        self, place: VaultPlace, *, reader: Reader, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._place = place
        self._reader = reader
        self._clock = clock
        self._user: User | None = None
        self._read_at = 0.0
        self._asking = threading.Lock()

    def user(self) -> User:
        """See CredentialSource; while Vault is away the last login is used on."""
        with self._asking:
            return self._newest()

    def _newest(self) -> User:
        now = self._clock()
        if self._user is not None and now - self._read_at < KEPT_S:
            return self._user
        place = self._place
        refs = [
            KeyRef(place.mount, place.path, f) for f in (place.user_field, place.password_field)
        ]
        said = self._reader.read(Login(place.auth_mount, place.role), refs)
        name, password = (said[ref] for ref in refs)
        if isinstance(name, Found) and isinstance(password, Found):
            self._user, self._read_at = User(name.secret.reveal(), password.secret), now
        elif self._user is None:
            wrong = password if isinstance(name, Found) else name
            what = "" if isinstance(wrong, Found) else wrong.what
            raise CredentialsError(f"Vault gives no login of the database: {what}")
        return self._user

    def superseded(self, name: str) -> bool:
        """See CredentialSource: as Vault said when a connection was last made."""
        return self._user is not None and self._user.name != name

    def refused(self) -> None:
        """See CredentialSource."""
        self._read_at = -KEPT_S


def credentials_of(said: Credentials) -> CredentialSource:
    """The source that the settings name."""
    place = said.vault
    if place is None:
        return FolderCredentials(Path(said.folder))
    from bailiwick_sidecar.vault.client import VaultClient  # noqa: PLC0415 - hvac, only where used

    settings = VaultSettings(
        address=place.address,
        token_file=Path(place.token_file),
        method=Method(place.method),
        namespace=place.namespace,
        ca_file=Path(place.ca_file) if place.ca_file else None,
    )
    client = VaultClient(settings, clock=time.monotonic)
    if place.engine is Engine.DATABASE:
        from bailiwick_collector.leases import LeasedCredentials  # noqa: PLC0415 - as above

        return LeasedCredentials(place, client)
    reader = Reader(client, clock=time.monotonic, random=random.random)
    return VaultCredentials(place, reader=reader)
