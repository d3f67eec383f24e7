"""Logins of the database that Vault makes for a while: renewed, and replaced before they end.

A login ends with its own lease, and with the token that it was asked for with. Both are renewed at
two thirds of what is left to the shorter one; where Vault grants less than that from then on, a
new token asks for a new login. Connections move to it one by one (see database.py), and the login
before ends by itself, a third of its life later.
"""

import logging
import random as random_module
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from bailiwick_collector.credentials import User
from bailiwick_collector.errors import CredentialsError
from bailiwick_collector.settings import VaultPlace
from bailiwick_sidecar.secrets import Secret
from bailiwick_sidecar.vault.errors import VaultError
from bailiwick_sidecar.vault.timing import RENEW_AT, Lease

RETRY_S: Final = 5.0
"""How soon a Vault that did not renew, or made no login, is asked again."""
REPLACED_S: Final = 60.0
"""A login that is younger is not replaced because the database refused it: the next would fare no
better, and each is a role of the database."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Made:
    """A login that Vault has made."""

    username: str
    password: Secret
    lease_id: str
    lease: Lease


class LeasingVault(Protocol):
    """The calls of the agent's Vault client; each may raise VaultError."""

    def login(self, *, mount: str, role: str) -> Lease:
        """A lease on a new token."""
        ...

    def renew(self) -> Lease:
        """The token's lease after its renewal."""
        ...

    def make_login(self, path: str) -> "dict[str, object]":
        """The answer of the database engine: `data`, `lease_id`, `lease_duration`, `renewable`."""
        ...

    def renew_lease(self, lease_id: str) -> "dict[str, object]":
        """The same without `data`."""
        ...


class LeasedCredentials:
    """A CredentialSource over Vault's database engine; any thread may ask."""

    def __init__(
        self,
        place: VaultPlace,
        vault: LeasingVault,
        *,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        """No login yet: the first one who asks waits for it."""
        self._place = place
        self._vault = vault
        self._clock = clock
        self._random = random
        self._attending = threading.Lock()
        self._made: Made | None = None
        self._token = Lease(Secret(""), ttl=0, renewable=False, since=0.0)
        self._first = (0.0, 0.0)
        self._due = 0.0
        self._made_at = 0.0
        self._refused = False

    def user(self) -> User:
        """See CredentialSource: the login in force, renewed or replaced where it is time for that.

        While Vault is away, the last one as long as it holds.
        """
        made = self._made
        usable = self._usable(made, self._clock())
        if usable and self._clock() < self._due:
            return _user(made)
        if not self._attending.acquire(blocking=not usable):
            return _user(made)  # somebody else sees to it
        try:
            now = self._clock()
            if not self._usable(self._made, now) or now >= self._due:
                self._see_to_it(now)
            return _user(self._made)
        finally:
            self._attending.release()

    def superseded(self, name: str) -> bool:
        """See CredentialSource."""
        return self.user().name != name

    def refused(self) -> None:
        """See CredentialSource: somebody may have revoked it."""
        self._refused = self._clock() >= self._made_at + REPLACED_S

    def _usable(self, made: Made | None, now: float) -> bool:
        return (
            made is not None
            and not self._refused
            and made.lease.holds(now)
            and self._token.holds(now)
        )

    def _see_to_it(self, now: float) -> None:
        try:
            self._attend(now)
        except VaultError as error:
            refused, self._refused = self._refused, False
            if not self._usable(self._made, now):
                self._refused = refused
                raise CredentialsError(f"Vault makes no login of the database: {error}") from error
            self._due = now + RETRY_S
            log.warning("event=database_login_kept reason=%r", str(error))

    def _attend(self, now: float) -> None:
        made = self._made
        if made is not None and self._usable(made, now):
            renewed = self._renewed(made)
            if renewed is not None:
                self._made, self._token = renewed
                self._plan()
                return
        self._make(now)

    def _renewed(self, made: Made) -> tuple[Made, Lease] | None:
        """Login and token after their renewal; None where they end before long all the same."""
        if not made.lease.renewable or not (self._token.renewable or self._token.ttl <= 0):
            return None
        try:
            token = self._token if self._token.ttl <= 0 else self._vault.renew()
            lease = _lease(self._vault.renew_lease(made.lease_id), self._clock())
        except VaultError as error:
            if not error.refused:
                raise
            return None  # revoked, or its longest life is over
        # Near the end of its longest life Vault grants ever less.
        if token.ttl < self._first[0] * RENEW_AT or lease.ttl < self._first[1] * RENEW_AT:
            return None
        log.info("event=database_login_renewed user=%s ttl=%d", made.username, lease.ttl)
        return Made(made.username, made.password, made.lease_id, lease), token

    def _make(self, now: float) -> None:
        """A new token first: the login before lives on with the token that it was made with."""
        place = self._place
        token = self._vault.login(mount=place.auth_mount, role=place.role)
        said = self._vault.make_login(f"{place.mount}/{place.path}")
        data = said.get("data")
        fields = data if isinstance(data, dict) else {}
        name, password = fields.get(place.user_field), fields.get(place.password_field)
        if not (isinstance(name, str) and name and isinstance(password, str) and password):
            raise CredentialsError(
                f"{place.mount}/{place.path} in Vault gives no {place.user_field} and"
                f" {place.password_field}: name a role of the database engine, such as"
                " creds/bailiwick-collector"
            )
        lease = _lease(said, self._clock())
        self._made = Made(name, Secret(password), str(said.get("lease_id") or ""), lease)
        self._token, self._first = token, (token.ttl, lease.ttl)
        self._made_at, self._refused = now, False
        self._plan()
        log.info("event=database_login_made user=%s ttl=%d", name, lease.ttl)

    def _plan(self) -> None:
        assert self._made is not None
        chance = self._random()
        self._due = min(self._made.lease.renew_at(chance), self._token.renew_at(chance))


def _user(made: Made | None) -> User:
    assert made is not None  # nobody asks before there is one
    return User(made.username, made.password)


def _lease(said: "dict[str, object]", now: float) -> Lease:
    ttl = said.get("lease_duration")
    return Lease(
        Secret(""),
        ttl=float(ttl) if isinstance(ttl, int) else 0.0,
        renewable=said.get("renewable") is True,
        since=now,
    )
