"""The newest config of each namespace; readers get the newest only."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from bailiwick_contract import canon
from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig


@dataclass(frozen=True, slots=True)
class Version:
    """Which config: its sequence (greater is newer) and the digest of its bytes."""

    sequence: int
    digest: str


@dataclass(frozen=True, slots=True)
class Published:
    """One config as it goes out: canonical bytes of a TenantConfig and what names them."""

    tenant_uid: str
    version: Version
    contract_version: int
    config: bytes = field(repr=False)


@dataclass(slots=True)
class _Slot:
    newest: Published
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    closed: bool = False


class Hub:
    """Holds one config per namespace; not thread-safe, lives in one event loop."""

    def __init__(self, *, now_ms: Callable[[], int]) -> None:
        """Start empty; `now_ms` is milliseconds since the epoch, the floor of sequences."""
        self._now_ms = now_ms
        self._slots: dict[str, _Slot] = {}
        self._arrivals: dict[str, asyncio.Event] = {}
        self._last = 0

    def __len__(self) -> int:
        """How many namespaces have a config."""
        return len(self._slots)

    def put(
        self, namespace: str, config: TenantConfig, *, stored: Version | None = None
    ) -> Version:
        """Publish `config` unless it is what is out already; returns the version that is out.

        `stored` is what an operator before this one published: the same digest keeps its
        sequence, so that a restart changes nothing; another gets a greater one, whatever the
        clock says. A config of another tenant ends the streams of the one before.
        """
        before = self._slots.get(namespace)
        if before is not None and before.newest.tenant_uid != config.tenant_uid:
            self.drop(namespace)
        content = canon.canonical_bytes(config)
        digest = canon.digest(config)
        slot = self._slots.get(namespace)
        if slot is not None and slot.newest.version.digest == digest:
            return slot.newest.version
        if slot is None and stored is not None and stored.digest == digest:
            version = stored
            self._last = max(self._last, stored.sequence)
        else:
            floor = max(self._last, stored.sequence if stored else 0)
            self._last = max(floor + 1, self._now_ms())
            version = Version(sequence=self._last, digest=digest)
        published = Published(
            tenant_uid=config.tenant_uid,
            version=version,
            contract_version=config.contract_version,
            config=content,
        )
        if slot is None:
            self._slots[namespace] = _Slot(newest=published)
            arrival = self._arrivals.pop(namespace, None)
            if arrival is not None:
                arrival.set()
        else:
            slot.newest = published
            _wake(slot)
        return version

    def newest(self, namespace: str) -> Published | None:
        """What is out for this namespace."""
        slot = self._slots.get(namespace)
        return slot.newest if slot else None

    def drop(self, namespace: str) -> None:
        """Forget the namespace and end its subscriptions."""
        slot = self._slots.pop(namespace, None)
        if slot is not None:
            slot.closed = True
            _wake(slot)

    async def subscribe(
        self, namespace: str, *, after: Version | None = None
    ) -> AsyncIterator[Published]:
        """Yield the newest config, then each newer one that is newest when the reader is ready.

        Waits where there is none yet; ends when the namespace is dropped. A reader that serves
        the version `after` already does not get it again.
        """
        while (slot := self._slots.get(namespace)) is None:
            await self._arrivals.setdefault(namespace, asyncio.Event()).wait()
        seen = after
        while not slot.closed:
            changed = slot.changed
            if slot.newest.version != seen:
                seen = slot.newest.version
                yield slot.newest
            else:
                await changed.wait()


def _wake(slot: _Slot) -> None:
    slot.changed.set()
    slot.changed = asyncio.Event()
