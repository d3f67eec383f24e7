"""Whose key it is: nobody else's key is ever the same, whatever it is called."""

import hashlib
from typing import Final

from bailiwick_sidecar.admission.errors import refused
from bailiwick_sidecar.admission.identity import Identity, issuer_and_subject

MAX_KEY: Final = 255
HALF: Final = 32
"""Hex digits kept of a SHA-256: 128 bits."""


def caller_hash(namespace: str, who: Identity, payload: str) -> str:
    """The caller, from verified claims alone: issuer, subject, team, project and user.

    Raises:
        RefusedError: the token names nobody, so that a key would be shared with others.
    """
    issuer, subject = issuer_and_subject(payload)
    if not subject and not who.user:
        raise refused(
            "invalid_value",
            param="Idempotency-Key",
            expected="used with a token that names its subject (claim sub)",
        )
    return _hash(namespace, issuer, subject, who.team, who.project, who.user)


def key_hash(caller: str, key: str) -> str:
    """The key as this caller's own.

    Raises:
        RefusedError: it is empty, too long, or not printable ASCII.
    """
    if not 0 < len(key) <= MAX_KEY or not key.isascii() or not key.isprintable():
        raise refused(
            "invalid_value",
            param="Idempotency-Key",
            expected=f"1 to {MAX_KEY} printable ASCII characters",
        )
    return _hash(caller, key)


def _hash(*parts: str) -> str:
    whole = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(whole.encode()).hexdigest()[:HALF]
