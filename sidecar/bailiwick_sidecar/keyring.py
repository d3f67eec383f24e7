"""What the agent does with its source of keys, whichever it is."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from prometheus_client.core import Metric

from bailiwick_contract.v1.tenant_config_pb2 import Vault
from bailiwick_sidecar.key_marks import Lent, lent
from bailiwick_sidecar.quota.model import AttemptKey
from bailiwick_sidecar.secrets import Absent, KeyRef, KeySource, Secret


@dataclass(frozen=True, slots=True)
class Degraded:
    """Something that this gateway needs is not as it should be, though it may serve."""

    dependency: str
    reason: str
    """One word, stable."""
    since: str
    """RFC 3339."""
    message: str


class KeyTrouble(StrEnum):
    """What is wrong with a key; as KeyState of the config stream."""

    MISSING = "missing"
    """Its source is there, the path, version or field is not."""
    REVOKED = "revoked"
    UNAVAILABLE = "unavailable"
    """The source is away and there is no key."""
    KEPT = "kept"
    """The source is away; the last key stays in use."""
    AGING = "aging"
    TOO_OLD = "too_old"


@dataclass(frozen=True, slots=True)
class KeyFact:
    """A key that wants somebody's attention; never the key itself."""

    ref: KeyRef
    trouble: KeyTrouble
    reason: str
    """One word, stable."""
    since: str
    """RFC 3339."""
    message: str


class Lender(Protocol):
    """Keys for attempts; remembers which attempt got which, where that matters."""

    def lend(self, attempt: AttemptKey, ref: KeyRef) -> Lent | Absent:
        """The key for this attempt, and what its row says of it. Never blocks and never raises."""
        ...

    async def replaced(self, before: AttemptKey, ref: KeyRef) -> bool:
        """True where a further attempt would have another key than `before`, which was refused.

        Looks at the source where it has to, and waits for that a short while.
        """
        ...

    def ended(self, attempt: AttemptKey, status: int) -> None:
        """An attempt has its answer; status 0: none, or it never left."""
        ...


@dataclass(frozen=True, slots=True)
class PlainLender:
    """For sources of which nothing needs to be remembered."""

    keys: KeySource

    def lend(self, attempt: AttemptKey, ref: KeyRef) -> Lent | Absent:  # noqa: ARG002 -- the protocol's
        """The key as it is now."""
        found = self.keys.get(ref)
        return lent(ref, found) if isinstance(found, Secret) else found

    async def replaced(self, before: AttemptKey, ref: KeyRef) -> bool:  # noqa: ARG002 -- the protocol's
        """False: what was refused is all there is."""
        return False

    def ended(self, attempt: AttemptKey, status: int) -> None:
        """Of no interest."""


class _NoKeys:
    def get(self, ref: KeyRef) -> Absent:
        return Absent(f"there is no source of keys for {ref.path}")


NO_LENDER: Final = PlainLender(_NoKeys())
"""Stands for "none was given"."""


class Keyring(KeySource, Lender, Protocol):
    """A source of keys with its upkeep."""

    def configure(self, refs: Collection[KeyRef], vault: Vault) -> None:
        """These are the keys that the config in force needs, and this is who asks for them."""
        ...

    def refresh(self) -> bool:
        """Upkeep that takes no time; true where keys may have changed."""
        ...

    def look_now(self) -> None:
        """Have every key read at once."""
        ...

    async def run(self) -> None:
        """Keep the keys fresh, until cancelled."""
        ...

    def degraded(self) -> tuple[Degraded, ...]:
        """What is not as it should be."""
        ...

    def facts(self) -> tuple[KeyFact, ...]:
        """Which keys want attention. Stable while nothing changes."""
        ...

    def figures(self) -> Iterable[Metric]:
        """What a scrape should say of them."""
        ...


class Unattended(KeySource):
    """Upkeep and lending of a source that needs none."""

    def lend(self, attempt: AttemptKey, ref: KeyRef) -> Lent | Absent:  # noqa: ARG002 -- the protocol's
        """The key as it is now."""
        found = self.get(ref)
        return lent(ref, found, key_id=self.key_id(ref)) if isinstance(found, Secret) else found

    def key_id(self, ref: KeyRef) -> str:  # noqa: ARG002 -- for sources that have one
        """What the provider calls this key; empty where that is not written down."""
        return ""

    async def replaced(self, before: AttemptKey, ref: KeyRef) -> bool:  # noqa: ARG002 -- the protocol's
        """False: what was refused is all there is."""
        return False

    def configure(self, refs: Collection[KeyRef], vault: Vault) -> None:
        """Whatever is asked for is looked up then."""

    def look_now(self) -> None:
        """It is looked at all the time."""

    async def run(self) -> None:
        """Nothing to do."""

    def ended(self, attempt: AttemptKey, status: int) -> None:
        """Of no interest."""

    def degraded(self) -> tuple[Degraded, ...]:
        """Readiness says what is missing."""
        return ()

    def facts(self) -> tuple[KeyFact, ...]:
        """None."""
        return ()

    def figures(self) -> Iterable[Metric]:
        """None."""
        return ()
