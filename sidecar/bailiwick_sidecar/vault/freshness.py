"""The life of one key: fresh, kept while Vault is away, stale, missing, revoked. Pure.

Times are seconds of one clock that only goes forward, given by the caller.

A new version is used at once, and the one before stays at hand until the new one has served: a
provider that does not know the new key yet costs a further attempt, not a failed call.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from bailiwick_sidecar.secrets import Secret
from bailiwick_sidecar.vault.outcomes import Denied, Failed, Found, Missing, Outcome

FIRST_DOUBT_S: Final = 5.0
LONGEST_DOUBT_S: Final = 60.0
"""How long the key before is used after the provider refused a new one, at first and at most."""


class Standing(StrEnum):
    """What may be done with a key."""

    WAITING = "waiting"
    """Vault was never heard of it."""
    FRESH = "fresh"
    """Vault said so when it was last asked."""
    KEPT = "kept"
    """Vault is away; the last key is used."""
    STALE = "stale"
    """Vault has been away for longer than a key is kept."""
    MISSING = "missing"
    REVOKED = "revoked"

    @property
    def usable(self) -> bool:
        """True where calls may leave with the key."""
        return self in (Standing.FRESH, Standing.KEPT)


@dataclass(frozen=True, slots=True)
class Held:
    """One version in memory. `serial` counts the versions that this process has had, from 1."""

    secret: Secret
    serial: int
    version: int
    created: float | None
    key_id: str = ""
    """What the provider calls it; empty where Vault does not say."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key as it stands; the functions of this module give the next state."""

    standing: Standing = Standing.WAITING
    current: Held | None = None
    previous: Held | None = None
    """The version before, until the current one has served."""
    confirmed: float | None = None
    """When Vault last said what the key is."""
    failed: Failed | None = None
    """The first failure since then."""
    why: str = ""
    """What is missing or denied."""
    since: str = ""
    """Since when it is denied or missing, RFC 3339."""
    doubted_until: float = 0.0
    doubts: int = 0
    serials: int = 0


def after(key: Key, outcome: Outcome, *, now: float) -> Key:
    """The key after Vault was asked."""
    match outcome:
        case Found():
            return _found(key, outcome, now)
        case Missing(what, at):
            return Key(
                standing=Standing.MISSING,
                why=what,
                since=key.since if key.standing is Standing.MISSING else at,
                serials=key.serials,
                confirmed=now,
            )
        case Denied(what, at):
            return Key(
                standing=Standing.REVOKED,
                why=what,
                since=key.since if key.standing is Standing.REVOKED else at,
                serials=key.serials,
                confirmed=now,
            )
        case Failed():
            standing = Standing.KEPT if key.standing is Standing.FRESH else key.standing
            return replace(key, standing=standing, failed=key.failed or outcome)


def aged(key: Key, *, now: float, max_stale: float) -> Key:
    """The key at this time: one that Vault has not confirmed for `max_stale` is dropped."""
    # Also a fresh one: where nobody asks any more, nobody knows.
    if not key.standing.usable or key.confirmed is None:
        return key
    if now - key.confirmed <= max_stale:
        return key
    return Key(standing=Standing.STALE, failed=key.failed, serials=key.serials)


def usable(key: Key, *, now: float) -> Held | None:
    """The version to send with an attempt that leaves now."""
    if not key.standing.usable:
        return None
    if key.previous is not None and now < key.doubted_until:
        return key.previous
    return key.current


def served(key: Key, serial: int) -> Key:
    """A provider has taken the version: where it is the current one, no other is needed."""
    if key.current is None or key.current.serial != serial or key.previous is None:
        return key
    return replace(key, previous=None, doubted_until=0.0, doubts=0)


def refused(key: Key, serial: int, *, now: float) -> Key:
    """A provider has refused the version (401 or 403).

    The current one, where it never served: the one before is used for a while. The one before:
    it is gone.
    """
    if key.previous is None or key.current is None:
        return key
    if serial == key.previous.serial:
        return replace(key, previous=None, doubted_until=0.0, doubts=0)
    if serial != key.current.serial or now < key.doubted_until:
        return key
    pause = min(FIRST_DOUBT_S * 2.0**key.doubts, LONGEST_DOUBT_S)
    return replace(key, doubted_until=now + pause, doubts=min(key.doubts + 1, 16))


def _found(key: Key, found: Found, now: float) -> Key:
    current = key.current
    if current is not None and current.secret == found.secret:
        # The same text under another number is no other key.
        current = replace(
            current, version=found.version, created=found.created, key_id=found.key_id
        )
        return replace(
            key, standing=Standing.FRESH, current=current, confirmed=now, failed=None, why=""
        )
    # The one that is known to work, however many came after it.
    previous = key.previous or current
    if previous is not None and previous.secret == found.secret:
        previous = None
    return Key(
        standing=Standing.FRESH,
        current=Held(found.secret, key.serials + 1, found.version, found.created, found.key_id),
        previous=previous,
        confirmed=now,
        serials=key.serials + 1,
    )
