"""What came of asking Vault for one key."""

from dataclasses import dataclass
from enum import StrEnum

from bailiwick_sidecar.secrets import Secret


class Cause(StrEnum):
    """Why there is no fresh answer, in one word that programs may rely on."""

    SEALED = "VaultSealed"
    """Vault says 503: sealed, or no active node."""
    FAILING = "VaultFailing"
    """Another 5xx, 429, or an answer that makes no sense."""
    SLOW = "VaultSlow"
    """No answer in time."""
    UNREACHABLE = "VaultUnreachable"
    """No connection, or no trusted one."""
    LOGIN_REFUSED = "VaultLoginRefused"
    """Vault does not take the gateway's token or role, and never said so of a key."""


@dataclass(frozen=True, slots=True)
class Found:
    """The key as Vault has it now.

    `version` counts from 1 (KV version 2) and is 0 where the engine has none. `created` is when
    that version was written, in seconds since the epoch; None where Vault does not say.
    """

    secret: Secret
    version: int = 0
    created: float | None = None
    key_id: str = ""
    """What the provider calls this key, where the field beside it says so."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Vault answers that there is no such key: `what` says whether path, version or field.

    `at` is the wall clock's time, RFC 3339; the reader sets it.
    """

    what: str
    at: str = ""


@dataclass(frozen=True, slots=True)
class Denied:
    """Vault answers, also after a new login, that this gateway may not read it.

    `at` is the wall clock's time, RFC 3339.
    """

    what: str
    at: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Vault gave no answer about the key; `at` as above."""

    cause: Cause
    what: str
    at: str


Outcome = Found | Missing | Denied | Failed
