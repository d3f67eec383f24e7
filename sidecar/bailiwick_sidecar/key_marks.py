"""What rows say of the key that an attempt left with: where it lies, which version, whose id. Pure.

Nothing here leads back to the key. A version is Vault's number; where a source has none (a file, a
Secret, KV version 1) it is a short one-way digest, which tells two keys apart and no more.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bailiwick_sidecar.secrets import KeyRef, Secret

ID_SUFFIX: Final = "_id"
"""Beside a key in `api_key` its provider's own id of it may stand in `api_key_id`."""
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}")


@dataclass(frozen=True, slots=True)
class KeyMark:
    """A key as rows name it; both are empty where an attempt needed no key."""

    name: str = ""
    """`secret/llm/acme/openai#api_key@3`."""
    id: str = ""
    """What the provider's exports call it, such as `key_9f3a`; empty where nobody wrote it down."""


NO_KEY: Final = KeyMark()


@dataclass(frozen=True, slots=True)
class Lent:
    """A key for one attempt, and what its row says of it."""

    secret: Secret
    mark: KeyMark


def lent(ref: KeyRef, secret: Secret, *, version: int = 0, key_id: str = "") -> Lent:
    """The key with its mark; `version` 0: its source counts none."""
    where = f"{ref.mount}/{ref.path}" if ref.mount else ref.path
    edition = str(version) if version else f"~{secret.fingerprint}"
    return Lent(secret, KeyMark(f"{where}#{ref.field}@{edition}", key_id))


def id_beside(fields: Mapping[str, object], field: str, secret: Secret) -> str:
    """The provider's id of the key in `field`, if its entry has one; empty where it has none.

    Empty too where what stands there can't be an id: it has a form that no id has, or is a piece
    of the key.
    """
    said = fields.get(field + ID_SUFFIX)
    text = str(said) if isinstance(said, str | int) else ""
    key = secret.reveal()
    if not _ID.fullmatch(text) or text in key or key in text:
        return ""
    return text
