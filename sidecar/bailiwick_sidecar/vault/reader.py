"""Reads keys within a session that is kept alive: login, renewal, one more login after a 403.

Blocks as its client does. Clock and randomness are parameters.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Protocol

from bailiwick_sidecar.secrets import KeyRef
from bailiwick_sidecar.vault.errors import VaultError
from bailiwick_sidecar.vault.outcomes import Cause, Denied, Failed, Found, Missing, Outcome
from bailiwick_sidecar.vault.timing import RENEW_AT, Lease

RENEWAL_RETRY_S: Final = 5.0
HOPELESS: Final = frozenset({Cause.SEALED, Cause.SLOW, Cause.UNREACHABLE})
"""What the next key would meet as well: it is not asked for, so that one round stays short."""

log = logging.getLogger(__name__)


class VaultApi(Protocol):
    """The calls of client.py; each may raise VaultError."""

    def login(self, *, mount: str, role: str) -> Lease:
        """A lease on a new token."""
        ...

    def renew(self) -> Lease:
        """The lease after its renewal."""
        ...

    def revoke(self) -> None:
        """Give the token back."""
        ...

    def read(self, ref: KeyRef) -> Found | Missing:
        """The key, or what is missing."""
        ...


@dataclass(frozen=True, slots=True)
class Login:
    """As whom the gateway logs in."""

    mount: str
    role: str


class Reader:
    """One gateway's session with Vault."""

    def __init__(
        self,
        api: VaultApi,
        *,
        clock: Callable[[], float],
        random: Callable[[], float],
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._api = api
        self._clock = clock
        self._random = random
        self._wall = wall
        self._login: Login | None = None
        self._lease: Lease | None = None
        self._first_ttl = 0.0
        self.renew_at = float("inf")
        """When the session wants attention, whether a key is due or not."""
        self.logins = 0

    def read(self, login: Login, refs: Sequence[KeyRef]) -> dict[KeyRef, Outcome]:
        """What Vault says of each key; never raises VaultError."""
        outcomes: dict[KeyRef, Outcome] = {}
        try:
            self._attend(login)
        except VaultError as error:
            return dict.fromkeys(refs, self._outcome(error))
        fresh = False
        for index, ref in enumerate(refs):
            outcome = self._read_one(ref)
            if isinstance(outcome, Denied) and not fresh:
                # The token may have been revoked, or a policy come after it: ask with a new one.
                fresh = True
                try:
                    self._log_in(login)
                except VaultError as error:
                    said_no = error.refused or error.cause is Cause.LOGIN_REFUSED
                    rest = outcome if said_no else self._outcome(error)
                    return outcomes | dict.fromkeys(refs[index:], rest)
                outcome = self._read_one(ref)
            outcomes[ref] = outcome
            if isinstance(outcome, Failed) and outcome.cause in HOPELESS:
                return outcomes | dict.fromkeys(refs[index:], outcome)
        return outcomes

    def close(self) -> None:
        """Give the token back, where Vault takes it."""
        if self._lease is not None:
            try:
                self._api.revoke()
            except VaultError as error:
                log.info("event=vault_token_left reason=%r", str(error))
            self._lease = None

    def _read_one(self, ref: KeyRef) -> Outcome:
        try:
            said = self._api.read(ref)
        except VaultError as error:
            return self._outcome(error)
        return replace(said, at=self._now()) if isinstance(said, Missing) else said

    def _attend(self, login: Login) -> None:
        """Have a token that holds.

        Raises:
            VaultError: there is none.
        """
        now = self._clock()
        if self._login != login or self._lease is None or not self._lease.holds(now):
            self._login = login
            self._lease = None
            self._log_in(login)
        elif now >= self.renew_at:
            try:
                self._renew(login)
            except VaultError as error:
                # The token still holds: keys can be read with it meanwhile.
                log.warning("event=vault_renewal_failed reason=%r", str(error))
                self.renew_at = now + RENEWAL_RETRY_S

    def _renew(self, login: Login) -> None:
        assert self._lease is not None
        if self._lease.renewable:
            try:
                renewed = self._api.renew()
            except VaultError as error:
                if not error.refused:
                    raise
            else:
                # Near its longest life Vault grants ever less.
                if renewed.ttl >= self._first_ttl * RENEW_AT:
                    self._keep(renewed)
                    return
        self._log_in(login)

    def _log_in(self, login: Login) -> None:
        lease = self._api.login(mount=login.mount, role=login.role)
        self.logins += 1
        self._first_ttl = lease.ttl
        self._keep(lease)
        log.info("event=vault_login mount=%s role=%s ttl=%d", login.mount, login.role, lease.ttl)

    def _keep(self, lease: Lease) -> None:
        self._lease = lease
        self.renew_at = lease.renew_at(self._random())

    def _outcome(self, error: VaultError) -> Outcome:
        if error.refused:
            return Denied(str(error), self._now())
        return Failed(error.cause, str(error), self._now())

    def _now(self) -> str:
        return self._wall().strftime("%Y-%m-%dT%H:%M:%SZ")
