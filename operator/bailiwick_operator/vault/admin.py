"""Vault, as far as the operator writes to it (`vault.manage`)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from bailiwick_contract.errors import BailiwickError
from bailiwick_operator.vault.grant import Grant


class VaultAdminError(BailiwickError):
    """Vault does not do what the operator asks; the message says what and why."""


class VaultRefusesError(VaultAdminError):
    """It says no: the operator's own role may not do this."""


class RoleTakenError(VaultAdminError):
    """The role's policy belongs to someone else, and is left alone."""


@dataclass(frozen=True, slots=True)
class Held:
    """A role that a tenant of this cluster has in Vault."""

    tenant: str
    auth_mount: str
    role: str


class VaultAdmin(Protocol):
    """Vault, as far as the operator writes to it. Every method may be repeated."""

    def apply(self, given: Grant, *, cluster: str, shrink: bool) -> bool:
        """Have this policy and role; true where something had to be written.

        Without `shrink` what they allow beyond it stays.

        Raises:
            VaultAdminError: it could not be.
        """
        ...

    def remove(self, held: Collection[Held], *, cluster: str) -> None:
        """Have neither these roles nor their policies, where they are this cluster's.

        Raises:
            VaultAdminError: it could not be.
        """
        ...

    def held(self, *, cluster: str, known: Collection[str]) -> Sequence[Held]:
        """The roles of this cluster's tenants, except those named in `known`.

        Raises:
            VaultAdminError: Vault does not say.
        """
        ...
