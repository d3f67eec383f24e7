"""What is kept of an object: nothing that the operator does not read, and each string once."""

import sys
from typing import Any

from bailiwick_operator.kube.kinds import CHILDREN

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

OWN = frozenset((kind.api_version, kind.kind) for kind in CHILDREN)
"""Of the operator's own objects only the metadata is read."""


def lean(body: dict[str, Any]) -> None:
    """Take out of the object what nobody reads, and share the rest of its strings with others.

    Names, reasons and messages are the same in thousands of objects; a string that nobody holds
    any more goes (`sys.intern`).
    """
    metadata = body.get("metadata")
    if isinstance(metadata, dict):
        metadata.pop("managedFields", None)
        annotations = metadata.get("annotations")
        if isinstance(annotations, dict):
            annotations.pop(LAST_APPLIED, None)
    if (body.get("apiVersion"), body.get("kind")) in OWN:
        for name in body.keys() - {"apiVersion", "kind", "metadata"}:
            del body[name]
    _share(body)


def _share(value: Any) -> Any:
    if isinstance(value, str):
        return sys.intern(value)
    if isinstance(value, dict):
        for key, item in value.items():
            value[key] = _share(item)
    elif isinstance(value, list):
        value[:] = map(_share, value)
    return value
