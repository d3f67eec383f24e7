"""What can go wrong with Vault."""

from bailiwick_contract.errors import BailiwickError
from bailiwick_sidecar.vault.outcomes import Cause


class VaultError(BailiwickError):
    """Vault did not do what it was asked; `cause` says why, `refused` that it said no (403)."""

    def __init__(self, cause: Cause, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.cause = cause
        self.refused = refused
