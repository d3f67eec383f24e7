"""Kubernetes Events: what `kubectl describe` shows under a resource, on transitions only."""

import hashlib
from datetime import UTC, datetime

from bailiwick_operator.compile.findings import Ref
from bailiwick_operator.conditions import Condition, ConditionType, Status
from bailiwick_operator.kube.kinds import EVENT
from bailiwick_operator.kube.model import FIELD_MANAGER, Kind, Manifest

LONGEST_NOTE = 1024
"""Characters of a note (events.k8s.io/v1)."""


def build_event(ref: Ref, *, kind: Kind, uid: str, condition: Condition, now: datetime) -> Manifest:
    """The transition to `condition` as an Event; the same transition has the same name."""
    moment = now.astimezone(UTC)
    seed = f"{uid}/{condition.type}/{condition.status}/{condition.reason}/{moment.timestamp():.0f}"
    bad = (condition.status is Status.TRUE) == (condition.type is ConditionType.DEGRADED)
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {
            "name": f"{ref.name}.{hashlib.sha256(seed.encode()).hexdigest()[:16]}",
            # A cluster-scoped resource's events are in the default namespace (core/v1 Event).
            "namespace": ref.namespace or "default",
        },
        "eventTime": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": "Warning" if bad else "Normal",
        "reason": condition.reason.value,
        "action": condition.type.value,
        "note": f"{condition.type.value}={condition.status.value}: {condition.message}"[
            :LONGEST_NOTE
        ],
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
