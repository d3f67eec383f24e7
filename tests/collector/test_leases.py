"""When a login that Vault makes is renewed, replaced or kept, on a clock of the test."""

import threading
from typing import Any

import pytest

from bailiwick_collector.errors import CredentialsError
from bailiwick_collector.leases import REPLACED_S, RETRY_S, LeasedCredentials
from bailiwick_collector.settings import Engine, VaultPlace
from bailiwick_sidecar.secrets import Secret
from bailiwick_sidecar.vault.errors import VaultError
from bailiwick_sidecar.vault.outcomes import Cause
from bailiwick_sidecar.vault.timing import Lease

PLACE = VaultPlace(
    address="https://vault.test",
    role="r",
    engine=Engine.DATABASE,
    mount="database",
    path="creds/collector",
)
AWAY = VaultError(Cause.UNREACHABLE, "Vault cannot be reached")
OVER = VaultError(Cause.FAILING, "the lease is over", refused=True)


class Vault:
    """Grants what it is told to; counts logins."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.token_ttl, self.ttl = 3600, 900
        self.renewed: int | VaultError = 900
        self.down: VaultError | None = None
        self.made = 0
        self.asked: list[str] = []
        self.reached, self.gate = threading.Event(), threading.Event()
        self.gate.set()

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        self.reached.set()
        self.gate.wait(10)
        if self.down is not None:
            raise self.down

    def _token(self) -> Lease:
        return Lease(Secret("t"), ttl=self.token_ttl, renewable=True, since=self.now)

    def login(self, *, mount: str, role: str) -> Lease:
        self._ask(f"login {mount} {role}")
        return self._token()

    def renew(self) -> Lease:
        self._ask("renew")
        return self._token()

    def make_login(self, path: str) -> dict[str, Any]:
        self._ask(path)
        self.made += 1
        return {
            "lease_id": f"{path}/{self.made}",
            "lease_duration": self.ttl,
            "renewable": True,
            "data": {"username": f"v-{self.made}", "password": f"p-{self.made}"},
        }

    def renew_lease(self, lease_id: str) -> dict[str, Any]:
        self._ask(lease_id)
        if isinstance(self.renewed, VaultError):
            raise self.renewed
        return {"lease_id": lease_id, "lease_duration": self.renewed, "renewable": True}


@pytest.fixture
def vault() -> Vault:
    return Vault()


@pytest.fixture
def logins(vault: Vault) -> LeasedCredentials:
    return LeasedCredentials(PLACE, vault, clock=lambda: vault.now, random=lambda: 0.0)


def test_it_is_renewed_at_two_thirds_of_its_life(vault: Vault, logins: LeasedCredentials) -> None:
    """The same login, and its token with it; nothing is asked before."""
    assert logins.user().name == "v-1"
    assert logins.user().password == Secret("p-1")
    vault.now += 599
    assert logins.user().name == "v-1"
    assert vault.asked == ["login kubernetes r", "database/creds/collector"]
    vault.now += 2
    assert logins.user().name == "v-1"
    assert vault.asked[2:] == ["renew", "database/creds/collector/1"]
    assert not logins.superseded("v-1")


@pytest.mark.parametrize("granted", [500, 0, OVER])
def test_it_is_replaced_where_vault_grants_no_more(
    vault: Vault, logins: LeasedCredentials, granted: int | VaultError
) -> None:
    """Near its longest life, or where somebody revoked it: by a login of a new token."""
    logins.user()
    vault.now += 601
    vault.renewed = granted
    assert logins.superseded("v-1")
    assert logins.user().name == "v-2"
    assert vault.asked[-2:] == ["login kubernetes r", "database/creds/collector"]


def test_the_shorter_life_of_its_token_counts(vault: Vault, logins: LeasedCredentials) -> None:
    """Vault ends a token's logins with it."""
    vault.token_ttl = 90
    logins.user()
    vault.token_ttl = 30
    vault.now += 61
    assert logins.user().name == "v-2"


def test_while_vault_is_away_it_serves_until_it_ends(
    vault: Vault, logins: LeasedCredentials
) -> None:
    """Vault is asked again every few seconds; after the end there is none, and it says why."""
    logins.user()
    vault.down = AWAY
    vault.now += 601
    assert logins.user().name == "v-1"
    asked = len(vault.asked)
    assert logins.user().name == "v-1"
    assert len(vault.asked) == asked
    vault.now += RETRY_S
    assert logins.user().name == "v-1"
    assert len(vault.asked) == asked + 1
    vault.now += 300
    with pytest.raises(CredentialsError, match="cannot be reached"):
        logins.user()
    vault.down = None
    assert logins.user().name == "v-2"


def test_a_refused_login_is_replaced_but_not_by_the_dozen(
    vault: Vault, logins: LeasedCredentials
) -> None:
    """Each is a role of the database: where the next is refused too, it is not the login."""
    logins.user()
    logins.refused()
    assert logins.user().name == "v-1"
    vault.now += REPLACED_S
    logins.refused()
    assert logins.user().name == "v-2"
    for _ in range(10):
        logins.refused()
        assert logins.user().name == "v-2"


def test_nobody_waits_for_a_renewal_while_the_login_holds(
    vault: Vault, logins: LeasedCredentials
) -> None:
    """One asks a slow Vault; the others write rows meanwhile."""
    logins.user()
    vault.now += 601
    vault.gate.clear()
    vault.reached.clear()
    slow = threading.Thread(target=logins.user)
    slow.start()
    assert vault.reached.wait(10)
    assert logins.user().name == "v-1"
    vault.gate.set()
    slow.join()
    assert vault.asked[2:] == ["renew", "database/creds/collector/1"]


def test_a_place_that_gives_no_login_is_said(vault: Vault, logins: LeasedCredentials) -> None:
    """A KV entry, for instance; with the cure."""
    vault.make_login = lambda path: {"data": {"data": {}}}  # type: ignore[method-assign]
    with pytest.raises(CredentialsError, match="creds/bailiwick-collector"):
        logins.user()
