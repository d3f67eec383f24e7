"""What people read about keys: why one is absent, and what is wrong though calls are served."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from bailiwick_sidecar.keyring import Degraded, KeyFact, KeyTrouble
from bailiwick_sidecar.secrets import Absent, KeyRef
from bailiwick_sidecar.vault.freshness import Key, Standing
from bailiwick_sidecar.vault.reader import Login
from bailiwick_sidecar.vault.settings import DAY_S, Method, VaultSettings

REVOKED: Final = "credential_revoked"
NEARLY: Final = 0.9
"""Share of the maximum age from which a key is reported."""


def shown(ref: KeyRef) -> str:
    """A key's name for people: mount, path and field."""
    return f"{ref.mount}/{ref.path}#{ref.field}"


def absent(ref: KeyRef, key: Key, settings: VaultSettings, login: Login | None) -> Absent:
    """Why there is no key to use, and what to do."""
    name = shown(ref)
    if settings.method is not Method.TOKEN and (login is None or not login.role):
        return Absent(f"{name}: the config names no Vault role: is the operator of this release?")
    match key.standing:
        case Standing.REVOKED:
            role = login.role if login else ""
            return Absent(
                f"{name}: Vault refuses it to role {role!r}, also after a new login ({key.why}):"
                " give the role its policy back",
                REVOKED,
            )
        case Standing.STALE:
            since = f" since {key.failed.at} ({key.failed.what})" if key.failed else ""
            hours = settings.max_stale / 3600
            return Absent(
                f"{name}: Vault has been away{since}, longer than the {hours:g} h for which a key"
                " is kept: bring it back"
            )
        case Standing.MISSING:
            return Absent(key.why)
        case _ if key.failed is not None:
            return Absent(f"{name}: {key.failed.what}, since {key.failed.at}")
        case _:
            return Absent(f"{name} was not read yet")


def facts(
    keys: Mapping[KeyRef, Key], settings: VaultSettings, *, wall: float
) -> tuple[KeyFact, ...]:
    """What is wrong with each key. Stable while nothing changes."""
    found: list[KeyFact] = []
    for ref, key in sorted(keys.items(), key=lambda item: shown(item[0])):
        if key.standing is Standing.MISSING:
            found.append(KeyFact(ref, KeyTrouble.MISSING, "KeyMissing", key.since, key.why))
        if key.standing is Standing.REVOKED:
            words = f"{shown(ref)} is not used any more: {key.why}"
            found.append(KeyFact(ref, KeyTrouble.REVOKED, "CredentialRevoked", key.since, words))
        elif key.failed is not None:
            kept = key.standing.usable
            trouble = KeyTrouble.KEPT if kept else KeyTrouble.UNAVAILABLE
            words = f"{key.failed.what}; {_use(key, settings)}"
            found.append(KeyFact(ref, trouble, key.failed.cause, key.failed.at, words))
        if (old := _aged(ref, key, settings, wall)) is not None:
            found.append(old)
    return tuple(found)


def _use(key: Key, settings: VaultSettings) -> str:
    if key.standing.usable:
        return f"the last keys stay in use for {settings.max_stale / 3600:g} h from then on"
    return "there is no key to use"


def _aged(ref: KeyRef, key: Key, settings: VaultSettings, wall: float) -> KeyFact | None:
    """What is to be said of the key's age, from nine tenths of the longest on."""
    created = key.current.created if key.current else None
    if created is None or not settings.max_age:
        return None
    near, limit = created + settings.max_age * NEARLY, created + settings.max_age
    if wall < near:
        return None
    past = wall >= limit
    return KeyFact(
        ref,
        KeyTrouble.TOO_OLD if past else KeyTrouble.AGING,
        "KeyTooOld" if past else "KeyAging",
        _text(limit if past else near),
        f"{shown(ref)} is from {_text(created)} and should be replaced by {_text(limit)}"
        f" ({settings.max_age / DAY_S:g} days): rotate it",
    )


def complaints(
    keys: Mapping[KeyRef, Key], settings: VaultSettings, *, wall: float
) -> tuple[Degraded, ...]:
    """Everything that somebody should look at. Stable while nothing changes."""
    found: dict[tuple[str, str], Degraded] = {}
    for ref, key in sorted(keys.items(), key=lambda item: shown(item[0])):
        if key.failed is not None:
            use = _use(key, settings)
            said = Degraded("Vault", key.failed.cause, key.failed.at, f"{key.failed.what}; {use}")
            found.setdefault(("Vault", said.reason + use), said)
        if key.standing is Standing.REVOKED:
            found["revoked", shown(ref)] = Degraded(
                "Vault",
                "CredentialRevoked",
                key.since,
                f"{shown(ref)} is not used any more: {key.why}",
            )
        if (old := _aged(ref, key, settings, wall)) is not None:
            found["age", shown(ref)] = Degraded("Vault", old.reason, old.since, old.message)
    return tuple(found.values())


def _text(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
