"""What people read about keys: why one is absent, and what is wrong though calls are served."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from bailiwick_sidecar.keyring import Degraded
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


def complaints(
    keys: Mapping[KeyRef, Key], settings: VaultSettings, *, wall: float
) -> tuple[Degraded, ...]:
    """Everything that somebody should look at. Stable while nothing changes."""
    found: dict[tuple[str, str], Degraded] = {}
    for ref, key in sorted(keys.items(), key=lambda item: shown(item[0])):
        if key.failed is not None:
            use = (
                f"the last keys stay in use for {settings.max_stale / 3600:g} h from then on"
                if key.standing.usable
                else "there is no key to use"
            )
            said = Degraded("Vault", key.failed.cause, key.failed.at, f"{key.failed.what}; {use}")
            found.setdefault(("Vault", said.reason + use), said)
        if key.standing is Standing.REVOKED:
            found["revoked", shown(ref)] = Degraded(
                "Vault",
                "CredentialRevoked",
                key.since,
                f"{shown(ref)} is not used any more: {key.why}",
            )
        created = key.current.created if key.current else None
        if created is not None and settings.max_age:
            limit = created + settings.max_age
            if wall >= created + settings.max_age * NEARLY:
                days = settings.max_age / DAY_S
                past = wall >= limit
                found["age", shown(ref)] = Degraded(
                    "Vault",
                    "KeyTooOld" if past else "KeyAging",
                    _text(limit if past else created + settings.max_age * NEARLY),
                    f"{shown(ref)} is from {_text(created)} and should be replaced by"
                    f" {_text(limit)} ({days:g} days): rotate it",
                )
    return tuple(found.values())


def _text(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
