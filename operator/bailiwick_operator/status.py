"""Writes statuses: only what changed, with an Event where a condition turned."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from bailiwick_operator.api.v1alpha1 import Resource
from bailiwick_operator.api.v1alpha1.base import Condition as ConditionModel
from bailiwick_operator.compile.findings import Ref
from bailiwick_operator.conditions import Condition, ConditionType, Reason, Status, merge
from bailiwick_operator.events import build_event, build_threshold_event
from bailiwick_operator.kube.kinds import EVENT, OURS
from bailiwick_operator.kube.model import Kube, KubeError, Manifest
from bailiwick_operator.uses import Crossing, RollUp, crossings, status_of
from bailiwick_operator.world import Broken

log = logging.getLogger(__name__)

KINDS = {kind.kind: kind for kind in OURS}


@dataclass(frozen=True, slots=True)
class _Written:
    uid: str
    resource_version: int
    status: Mapping[str, Any]


class StatusWriter:
    """Brings the status of resources in line with what is known; idempotent."""

    def __init__(self, kube: Kube, *, now: Callable[[], datetime]) -> None:
        self._kube = kube
        self._now = now
        self._written: dict[Ref, _Written] = {}

    def forget(self, ref: Ref) -> None:
        """Drop what is remembered of a resource that is gone."""
        self._written.pop(ref, None)

    async def write(
        self,
        resource: Resource | Broken,
        conditions: Sequence[Condition],
        *,
        more: Mapping[str, Any] | None = None,
        without: Collection[ConditionType] = (),
        rolled: RollUp | None = None,
    ) -> bool:
        """Set these conditions and fields; false where the status says all of it already.

        Conditions of the types in `without` go: they are about something that is not asked for.
        With `rolled` the use of limits is set too, and told where it came to a threshold.
        """
        ref, uid, generation, seen = _identity(resource)
        kind = KINDS[ref.kind]
        before = self._latest(ref, uid, seen, resource)
        old = _conditions(before)
        new = tuple(one for one in old if one.type not in without)
        for condition in conditions:
            new = merge(new, condition)
        crossed: list[Crossing] = []
        use: Mapping[str, Any] = {}
        if rolled is not None:
            use = status_of(ref.kind, ref.name, rolled.uses, before=before, now=self._now())
            crossed = crossings(
                rolled.uses, thresholds=rolled.thresholds, before=before.get("use", ())
            )
        status: dict[str, Any] = {
            **(more or {}),
            **use,
            "observedGeneration": generation,
            "conditions": [condition.to_dict() for condition in new],
        }
        if _canonical(status) == _canonical(before):
            return False
        answer = await self._kube.apply_status(
            kind,
            {
                "apiVersion": kind.api_version,
                "kind": kind.kind,
                "metadata": {
                    "name": ref.name,
                    "uid": uid,
                    **({"namespace": ref.namespace} if ref.namespace else {}),
                },
                "status": status,
            },
        )
        if answer is None:
            self.forget(ref)
            return False
        version = str(answer.get("metadata", {}).get("resourceVersion", "0"))
        self._written[ref] = _Written(uid=uid, resource_version=int(version), status=status)
        await self._tell(ref, uid=uid, old=old, new=new)
        for one in crossed:
            event = build_threshold_event(ref, kind=kind, uid=uid, crossing=one, now=self._now())
            await self._record(ref, event)
        return True

    def _latest(
        self, ref: Ref, uid: str, seen: str, resource: Resource | Broken
    ) -> Mapping[str, Any]:
        """The status as it stands: our own last write until the watch has caught up with it."""
        written = self._written.get(ref)
        if written is not None:
            if written.uid == uid and written.resource_version > int(seen or 0):
                return written.status
            del self._written[ref]
        if isinstance(resource, Broken) or resource.status is None:
            return {}
        found: dict[str, Any] = msgspec.to_builtins(resource.status)
        return found

    async def _tell(
        self, ref: Ref, *, uid: str, old: Sequence[Condition], new: Sequence[Condition]
    ) -> None:
        before = {condition.type: condition.status for condition in old}
        for condition in new:
            turned = before.get(condition.type)
            if turned is condition.status:
                continue
            if turned is None and condition.type is ConditionType.DEGRADED:
                continue
            event = build_event(
                ref, kind=KINDS[ref.kind], uid=uid, condition=condition, now=self._now()
            )
            await self._record(ref, event)

    async def _record(self, ref: Ref, event: Manifest) -> None:
        try:
            await self._kube.create(EVENT, event)
        except KubeError as error:
            # The status says it already; an Event is a courtesy.
            log.warning("event not recorded resource=%s error=%r", ref, str(error))


def identity(resource: Resource | Broken) -> Ref:
    """Which resource this is."""
    return _identity(resource)[0]


def generation_of(resource: Resource | Broken) -> int:
    """The generation that was read."""
    return _identity(resource)[2]


def _identity(resource: Resource | Broken) -> tuple[Ref, str, int, str]:
    if isinstance(resource, Broken):
        return resource.ref, resource.uid, resource.generation, resource.resource_version
    meta = resource.metadata
    ref = Ref(kind=resource.kind, namespace=meta.namespace, name=meta.name)
    return ref, meta.uid, meta.generation, meta.resource_version


def _conditions(status: Mapping[str, Any]) -> tuple[Condition, ...]:
    found = []
    for raw in status.get("conditions") or ():
        model = raw if isinstance(raw, ConditionModel) else msgspec.convert(raw, ConditionModel)
        try:
            found.append(
                Condition(
                    type=ConditionType(model.type),
                    status=Status(model.status.value),
                    reason=Reason(model.reason),
                    message=model.message,
                    observed_generation=model.observed_generation,
                    last_transition_time=_moment(model.last_transition_time),
                )
            )
        except ValueError:
            # Written by another release: said anew.
            continue
    return tuple(found)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _canonical(value: Any) -> Any:
    """The value without what is absent, empty or zero: the API server omits none of it or all."""
    if isinstance(value, Mapping):
        kept = {key: _canonical(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in (None, "", 0, [], {}, False)}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    return value
