"""Writes tenants' policies and roles into Vault (`vault.manage`). Blocks: call it in a thread."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import hvac
import requests
from hvac import exceptions as hvac_errors

from bailiwick_contract.errors import BailiwickError
from bailiwick_operator.vault.grant import Grant, policy_text, role_fields

TIMEOUTS = (2.0, 10.0)


class VaultAdminError(BailiwickError):
    """Vault does not do what the operator asks; the message says what and why."""


class VaultAdmin(Protocol):
    """Vault, as far as the operator writes to it. Both methods may be repeated."""

    def apply(self, given: Grant) -> bool:
        """Have exactly this policy and role; true where something had to be written.

        Raises:
            VaultAdminError: it could not be.
        """
        ...

    def remove(self, *, auth_mount: str, role: str) -> None:
        """Have neither role nor policy of that name, and no token of the role's.

        Raises:
            VaultAdminError: it could not be.
        """
        ...


class HvacVaultAdmin:
    """A VaultAdmin that logs in for each call, with the operator's own projected token."""

    def __init__(
        self,
        *,
        address: str,
        auth_mount: str,
        role: str,
        token_file: Path,
        ca_file: Path | None = None,
        namespace: str = "",
    ) -> None:
        self._auth_mount, self._role, self._token_file = auth_mount, role, token_file
        session = requests.Session()
        # Neither a proxy of the environment nor a .netrc has a part in this.
        session.trust_env = False
        session.verify = str(ca_file) if ca_file else True
        self._hvac = hvac.Client(
            url=address.rstrip("/"),
            token="",  # not None: hvac would look for one in the environment
            namespace=namespace or None,
            timeout=TIMEOUTS,  # type: ignore[arg-type]  # requests takes a pair
            session=session,
            allow_redirects=False,
        )

    def apply(self, given: Grant) -> bool:
        """Have exactly this policy and role."""
        return self._within_session(lambda: self._apply(given))

    def remove(self, *, auth_mount: str, role: str) -> None:
        """Have neither role nor policy of that name; tokens of the role lose their policy."""

        def work() -> bool:
            # The policy first: without it a token that is still out reads nothing.
            self._delete(f"/v1/sys/policies/acl/{role}")
            self._delete(f"/v1/auth/{auth_mount}/role/{role}")
            return True

        self._within_session(work)

    def _apply(self, given: Grant) -> bool:
        policy_path = f"/v1/sys/policies/acl/{given.policy}"
        role_path = f"/v1/auth/{given.auth_mount}/role/{given.role}"
        wrote = False
        if self._get(policy_path).get("policy") != policy_text(given):
            self._hvac.adapter.put(policy_path, json={"policy": policy_text(given)})
            wrote = True
        wanted = role_fields(given)
        if not _agrees(self._get(role_path), wanted):
            self._hvac.adapter.post(role_path, json=dict(wanted))
            wrote = True
        return wrote

    def _get(self, path: str) -> Mapping[str, Any]:
        try:
            said = self._hvac.adapter.get(path)
        except hvac_errors.InvalidPath:
            return {}
        data = said.get("data") if isinstance(said, Mapping) else None
        return data if isinstance(data, Mapping) else {}

    def _delete(self, path: str) -> None:
        try:
            self._hvac.adapter.delete(path)
        except hvac_errors.InvalidPath:
            return

    def _within_session(self, work: Callable[[], bool]) -> bool:
        try:
            token = self._token_file.read_text(encoding="ascii").strip()
            self._hvac.token = ""
            self._hvac.adapter.login(
                f"/v1/auth/{self._auth_mount}/login", json={"role": self._role, "jwt": token}
            )
            try:
                return work()
            finally:
                self._hvac.adapter.post("/v1/auth/token/revoke-self")
                self._hvac.token = ""
        except hvac_errors.VaultError as error:
            words = ", ".join(error.errors or ()) or type(error).__name__
            raise VaultAdminError(
                f"Vault refuses {error.method} {error.url}: {' '.join(words.split())}; may role"
                f" {self._role!r} write policies and roles?"
            ) from None
        except (requests.exceptions.RequestException, OSError, ValueError) as error:
            raise VaultAdminError(f"Vault cannot be used ({type(error).__name__})") from None


def _agrees(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """True where Vault's fields say what is wanted; it gives durations back in seconds."""
    return all(_plain(found.get(name)) == _plain(value) for name, value in wanted.items())


def _plain(value: Any) -> Any:
    if isinstance(value, str) and value[:-1].isdecimal() and value[-1] in "smh":
        return int(value[:-1]) * {"s": 1, "m": 60, "h": 3600}[value[-1]]
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return sorted(str(one) for one in value)
    return value
