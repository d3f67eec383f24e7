"""Kubernetes Events: what `kubectl describe` shows under a resource, on transitions only."""

import hashlib
from datetime import UTC, datetime

from bailiwick_operator.compile.findings import Ref
from bailiwick_operator.conditions import Condition, ConditionType, Reason, Status
from bailiwick_operator.kube.kinds import EVENT
from bailiwick_operator.kube.model import FIELD_MANAGER, Kind, Manifest
from bailiwick_operator.uses import Crossing

FULL = 100
"""Percent."""
LONGEST_NOTE = 1024
"""Characters of a note (events.k8s.io/v1)."""


def build_event(ref: Ref, *, kind: Kind, uid: str, condition: Condition, now: datetime) -> Manifest:
    """The transition to `condition` as an Event; the same transition has the same name."""
    seed = f"{condition.type}/{condition.status}/{condition.reason}/{now.timestamp():.0f}"
    return _event(
        ref,
        kind=kind,
        uid=uid,
        seed=seed,
        warning=(condition.status is Status.TRUE) == (condition.type is ConditionType.DEGRADED),
        reason=condition.reason.value,
        action=condition.type.value,
        note=f"{condition.type.value}={condition.status.value}: {condition.message}",
        now=now,
    )


def build_threshold_event(
    ref: Ref, *, kind: Kind, uid: str, crossing: Crossing, now: datetime
) -> Manifest:
    """That a limit came to a threshold as an Event."""
    return _event(
        ref,
        kind=kind,
        uid=uid,
        seed=f"{crossing.note}/{now.timestamp():.0f}",
        warning=True,
        reason="LimitNearlyUsed" if crossing.threshold < FULL else "LimitUsedUp",
        action="RollUp",
        note=crossing.note,
        now=now,
    )


def build_notice(
    *,
    namespace: str,
    name: str,
    kind: Kind,
    uid: str,
    stage: str,
    reason: Reason,
    note: str,
    warning: bool,
    now: datetime,
) -> Manifest:
    """That an object came to this stage as an Event; one for each stage and reason."""
    return _event(
        Ref(kind=kind.kind, namespace=namespace, name=name),
        kind=kind,
        uid=uid,
        seed=f"{stage}/{reason.value}",
        warning=warning,
        reason=reason.value,
        action="Release",
        note=note,
        now=now,
    )


def _event(
    ref: Ref,
    *,
    kind: Kind,
    uid: str,
    seed: str,
    warning: bool,
    reason: str,
    action: str,
    note: str,
    now: datetime,
) -> Manifest:
    moment = now.astimezone(UTC)
    seed = f"{uid}/{seed}"
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {
            "name": f"{ref.name}.{hashlib.sha256(seed.encode()).hexdigest()[:16]}",
            # A cluster-scoped resource's events are in the default namespace (core/v1 Event).
            "namespace": ref.namespace or "default",
        },
        "eventTime": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": "Warning" if warning else "Normal",
        "reason": reason,
        "action": action,
        "note": note[:LONGEST_NOTE],
        "reportingController": "bailiwick.dev/operator",
        "reportingInstance": FIELD_MANAGER,
        "regarding": {
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "name": ref.name,
            "uid": uid,
            **({"namespace": ref.namespace} if ref.namespace else {}),
        },
    }
