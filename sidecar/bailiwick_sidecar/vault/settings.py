"""Where Vault is and how a gateway proves who it is."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bailiwick_contract.errors import BailiwickError

LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
DAY_S: Final = 86_400.0
POLL_S: Final = 30.0
MAX_STALE_S: Final = DAY_S
MAX_AGE_S: Final = 90 * DAY_S


class VaultSettingsError(BailiwickError):
    """Settings that cannot be used; the message says which."""


class Method(StrEnum):
    """How the gateway logs in."""

    KUBERNETES = "kubernetes"
    """Vault asks the cluster whose token it is (TokenReview)."""
    JWT = "jwt"
    """Vault verifies the token with the cluster's public keys."""
    TOKEN = "token"  # noqa: S105 -- a method's name
    """The file holds a Vault token: for development."""


@dataclass(frozen=True, slots=True)
class VaultSettings:
    """One Vault. Times are seconds.

    Raises:
        VaultSettingsError: tokens and keys would travel readable, or a time makes no sense.
    """

    address: str
    token_file: Path
    """The projected service-account token, read at each login; with method token a Vault token."""
    method: Method = Method.KUBERNETES
    namespace: str = ""
    """Vault Enterprise or OpenBao namespace; empty: the root."""
    ca_file: Path | None = None
    """PEM; None: the system's trust store."""
    poll: float = POLL_S
    max_stale: float = MAX_STALE_S
    """How long the last key is used while Vault is away."""
    max_age: float = MAX_AGE_S
    """Age of a key at which it should have been replaced; 0: never."""
    connect_timeout: float = 2.0
    read_timeout: float = 5.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.address)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise VaultSettingsError(
                f"the Vault address {self.address!r} is none: write https://HOST:PORT"
            )
        if parts.username or parts.password or parts.query or parts.fragment:
            raise VaultSettingsError(
                "the Vault address may hold nothing but scheme, host, port and path"
            )
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise VaultSettingsError(
                f"keys may not travel over plain http to {parts.hostname}: use https"
            )
        if self.poll <= 0 or self.max_stale < 2 * self.poll or self.max_age < 0:
            raise VaultSettingsError(
                f"Vault's times do not fit: poll {self.poll:g} s must be more than 0, max-stale"
                f" {self.max_stale:g} s at least twice that, max-age 0 (none) or more"
            )
