"""What the API server checks in `metadata`, for offline validation (ObjectMeta, Kubernetes API)."""

from typing import Any

from bailiwick_operator.api.kinds import Kind
from bailiwick_operator.api.problems import REFUSED

_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"

_STRINGS: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "string"}}

_METADATA: dict[str, Any] = {
    "type": "object",
    "description": "Name and labels of the resource.",
    "required": ["name"],
    "properties": {
        "name": {
            "type": "string",
            "description": "Name of the resource: give it one.",
            "minLength": 1,
            "maxLength": 253,
            "pattern": _SUBDOMAIN,
        },
        "namespace": {
            "type": "string",
            "description": "Namespace of the resource: name one of the tenant's namespaces.",
            "minLength": 1,
            "maxLength": 63,
            "pattern": _LABEL,
        },
        "labels": _STRINGS,
        "annotations": _STRINGS,
        "finalizers": {"type": "array", "items": {"type": "string"}},
        "ownerReferences": {"type": "array", "items": {"type": "object"}},
        "managedFields": {"type": "array", "items": {"type": "object"}},
        "uid": {"type": "string"},
        "resourceVersion": {"type": "string"},
        "creationTimestamp": {"type": "string", "format": "date-time"},
        "deletionTimestamp": {"type": "string", "format": "date-time"},
        "deletionGracePeriodSeconds": {"type": "integer"},
        "generation": {"type": "integer"},
        "selfLink": {"type": "string"},
    },
}


def metadata_schema(kind: Kind) -> dict[str, Any]:
    """Schema of the metadata of one kind: cluster-scoped kinds have no namespace."""
    if kind.namespaced:
        return {**_METADATA, "required": ["name", "namespace"]}
    properties = {k: v for k, v in _METADATA["properties"].items() if k != "namespace"}
    refused = {"namespace": f"a {kind.name} belongs to the cluster and has no namespace: remove it"}
    return {**_METADATA, "properties": properties, REFUSED: refused}
