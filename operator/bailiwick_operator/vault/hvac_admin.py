"""Writes tenants' policies and roles into Vault, by hvac. Blocks: call it in a thread.

Only an operator that manages a Vault imports it: its HTTP client takes six MB.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

import hvac
import requests
from hvac import exceptions as hvac_errors

from bailiwick_operator.vault.admin import Held, RoleTakenError, VaultAdminError, VaultRefusesError
from bailiwick_operator.vault.grant import Grant, policy_text, role_fields, role_namespaces
from bailiwick_operator.vault.mark import Mark, paths_of, printed_for, read_mark

TIMEOUTS: Final = (2.0, 10.0)
PREFIX: Final = "bailiwick-"
"""Of the roles and policies that the operator's own policy lets it touch."""

T = TypeVar("T")

log = logging.getLogger(__name__)


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
        self._address, self._namespace, self._ca_file = address, namespace, ca_file
        self._auth_mount, self._role, self._token_file = auth_mount, role, token_file

    def apply(self, given: Grant, *, cluster: str, shrink: bool) -> bool:
        """Have this policy and role."""
        if not given.role.startswith(PREFIX) or ".." in given.auth_mount.split("/"):
            raise VaultRefusesError(
                f"role {given.role!r} at {given.auth_mount} is not the operator's to write: with"
                f" vault.manage a Tenant's vault.role begins with {PREFIX}"
            )
        mark = Mark(cluster, given.tenant, given.auth_mount)
        return self._within_session(lambda vault: _apply(vault, given, mark, shrink=shrink))

    def remove(self, held: Collection[Held], *, cluster: str) -> None:
        """Have none of these; tokens that are still out lose their policy."""

        def work(vault: hvac.Client) -> None:
            for one in held:
                mark = read_mark(_policy(vault, one.role))
                if mark is None or (mark.cluster, mark.tenant) != (cluster, one.tenant):
                    continue
                # The role first: the policy's mark is what says that there is work left.
                _delete(vault, _role_path(one.auth_mount, one.role))
                if mark.auth_mount == one.auth_mount:
                    _delete(vault, _policy_path(one.role))
                log.info("vault grant removed tenant=%s role=%s", one.tenant, one.role)

        self._within_session(work)

    def held(self, *, cluster: str, known: Collection[str]) -> Sequence[Held]:
        """The roles of this cluster's tenants."""

        def work(vault: hvac.Client) -> Sequence[Held]:
            names = _data(vault.adapter.list("/v1/sys/policies/acl")).get("keys") or ()
            found = []
            for name in names:
                if not str(name).startswith(PREFIX) or name in known:
                    continue
                mark = read_mark(_policy(vault, name))
                if mark is not None and mark.cluster == cluster:
                    found.append(Held(mark.tenant, mark.auth_mount, name))
            return found

        return self._within_session(work)

    def _within_session(self, work: Callable[[hvac.Client], T]) -> T:
        session = requests.Session()
        # Neither a proxy of the environment nor a .netrc has a part in this.
        session.trust_env = False
        session.verify = str(self._ca_file) if self._ca_file else True
        vault = hvac.Client(
            url=self._address.rstrip("/"),
            token="",  # not None: hvac would look for one in the environment
            namespace=self._namespace or None,
            timeout=TIMEOUTS,  # type: ignore[arg-type]  # requests takes a pair
            session=session,
            allow_redirects=False,
        )
        try:
            token = self._token_file.read_text(encoding="ascii").strip()
            vault.adapter.login(
                f"/v1/auth/{self._auth_mount}/login", json={"role": self._role, "jwt": token}
            )
            try:
                return work(vault)
            finally:
                vault.adapter.post("/v1/auth/token/revoke-self")
        except hvac_errors.VaultError as error:
            words = " ".join((", ".join(error.errors or ()) or type(error).__name__).split())
            told = f"Vault refuses {error.method} {error.url}: {words}"
            if isinstance(error, hvac_errors.Forbidden | hvac_errors.InvalidRequest):
                raise VaultRefusesError(
                    f"{told}; may role {self._role!r} at {self._auth_mount} write policies and"
                    " roles? See docs/keys/setup.md"
                ) from None
            raise VaultAdminError(told) from None
        except (requests.exceptions.RequestException, OSError, ValueError) as error:
            raise VaultAdminError(f"Vault cannot be used ({type(error).__name__})") from None
        finally:
            session.close()


def _apply(vault: hvac.Client, given: Grant, mark: Mark, *, shrink: bool) -> bool:
    role_path = _role_path(given.auth_mount, given.role)
    policy, role = _policy(vault, given.policy), _get(vault, role_path)
    before = _owner(policy, given, mark)
    more: Collection[str] = ()
    if not shrink:
        # The mark still says where the role was, until that one goes.
        mark, more = before or mark, paths_of(policy)
        namespaces = {*given.namespaces, *role_namespaces(role)}
        given = replace(given, namespaces=tuple(sorted(namespaces)))
    wanted, wrote = policy_text(given, mark=mark.line(), more=more), False
    # Vault trims the text.
    if policy.strip() != wanted.strip():
        vault.adapter.put(_policy_path(given.policy), json={"policy": wanted})
        wrote = True
    fields = role_fields(given)
    if not _agrees(role, fields):
        vault.adapter.post(role_path, json=dict(fields))
        wrote = True
    if shrink and before is not None and before.auth_mount != given.auth_mount:
        _delete(vault, _role_path(before.auth_mount, given.role))
    if wrote:
        log.info("vault grant written tenant=%s role=%s", given.tenant, given.role)
    return wrote


def _owner(policy: str, given: Grant, mark: Mark) -> Mark | None:
    """The mark of our own policy, None where there is none yet; raises RoleTakenError."""
    found = read_mark(policy)
    if not policy or printed_for(policy, given.tenant):
        return None
    if found is not None and (found.cluster, found.tenant) == (mark.cluster, mark.tenant):
        return found
    whose = (
        "was not written by Bailiwick"
        if found is None
        else f"belongs to tenant {found.tenant}"
        + ("" if found.cluster == mark.cluster else f" of another cluster ({found.cluster})")
    )
    raise RoleTakenError(
        f"policy {given.policy!r} in Vault {whose} and is left alone: give the Tenant another"
        " vault.role, or remove that policy"
    )


def _policy_path(name: str) -> str:
    return f"/v1/sys/policies/acl/{name}"


def _role_path(auth_mount: str, role: str) -> str:
    return f"/v1/auth/{auth_mount}/role/{role}"


def _policy(vault: hvac.Client, name: str) -> str:
    return str(_get(vault, _policy_path(name)).get("policy") or "")


def _get(vault: hvac.Client, path: str) -> Mapping[str, Any]:
    try:
        return _data(vault.adapter.get(path))
    except hvac_errors.InvalidPath:
        return {}


def _data(said: object) -> Mapping[str, Any]:
    data = said.get("data") if isinstance(said, Mapping) else None
    return data if isinstance(data, Mapping) else {}


def _delete(vault: hvac.Client, path: str) -> None:
    try:
        vault.adapter.delete(path)
    except hvac_errors.InvalidPath:
        return


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
