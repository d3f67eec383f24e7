"""Applies the operator's own objects: only what changed here or was changed by someone else."""

import hashlib
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from bailiwick_operator.kube.kinds import CHILDREN, PERSISTENT_VOLUME_CLAIM, kind_of
from bailiwick_operator.kube.model import Kube, Manifest
from bailiwick_operator.world import ChildState

log = logging.getLogger(__name__)

KINDS = {kind.kind: kind for kind in CHILDREN}

Key = tuple[str, str]
"""Kind and name, within one namespace."""


@dataclass(frozen=True, slots=True)
class _Record:
    wanted: bytes
    uid: str
    generation: int
    resource_version: str


class Applier:
    """Remembers what it applied, so that a world in order costs no call."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._records: dict[str, dict[Key, _Record]] = {}

    async def apply(
        self, namespace: str, wanted: Sequence[Manifest], *, seen: Sequence[ChildState]
    ) -> int:
        """Make the namespace's objects as wanted, in order; returns how many calls it took.

        `seen` is what the watches last showed. An object that is missing there, or not as it was
        left, is applied again: an application that changes nothing is no write.
        """
        records = self._records.setdefault(namespace, {})
        states = {(state.kind, state.name): state for state in seen}
        calls = 0
        for manifest in wanted:
            key = (manifest["kind"], manifest["metadata"]["name"])
            digest = _digest(manifest)
            record = records.get(key)
            if record is not None and record.wanted == digest and _as_left(record, states.get(key)):
                continue
            answer = await self._kube.apply(kind_of(manifest), manifest)
            metadata = answer.get("metadata", {})
            records[key] = _Record(
                wanted=digest,
                # The same string as in what the watch shows.
                uid=sys.intern(str(metadata.get("uid", ""))),
                generation=int(metadata.get("generation", 0)),
                resource_version=str(metadata.get("resourceVersion", "")),
            )
            calls += 1
        if calls:
            log.info("objects applied namespace=%s count=%d", namespace, calls)
        return calls

    async def prune(
        self,
        namespace: str,
        wanted: Sequence[Manifest],
        *,
        seen: Sequence[ChildState],
        keep: frozenset[Key],
    ) -> None:
        """Delete own objects that are not wanted any more; never a volume claim, nor `keep`."""
        names = {(one["kind"], one["metadata"]["name"]) for one in wanted} | keep
        for state in seen:
            key = (state.kind, state.name)
            if key in names or state.terminating or state.kind == PERSISTENT_VOLUME_CLAIM.kind:
                continue
            if (kind := KINDS.get(state.kind)) is None:
                continue
            await self._kube.delete(kind, namespace=namespace, name=state.name, uid=state.uid)
            self._records.get(namespace, {}).pop(key, None)

    async def evict(
        self, namespace: str, *, seen: Sequence[ChildState], binding: str
    ) -> tuple[str, ...]:
        """Names of objects that another binding owns; all are on their way out, claims too.

        Applied over, they would be this binding's: with them the journal and the keys of whoever
        had the namespace before.
        """
        others = [one for one in seen if one.binding not in ("", binding) and one.kind in KINDS]
        for one in others:
            if not one.terminating:
                await self._kube.delete(
                    KINDS[one.kind], namespace=namespace, name=one.name, uid=one.uid
                )
        if others:
            self.forget(namespace)
        return tuple(f"{one.kind}/{one.name}" for one in others)

    def forget(self, namespace: str) -> None:
        """Drop what is remembered of a namespace."""
        self._records.pop(namespace, None)


def _as_left(record: _Record, state: ChildState | None) -> bool:
    if state is None or state.uid != record.uid or state.terminating:
        return False
    if state.generation:
        # Its status changes all the time; only a change of the spec counts.
        return state.generation == record.generation
    return state.resource_version == record.resource_version


def _digest(manifest: Manifest) -> bytes:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).digest()
