"""What a claim for a journal's volume asks for."""

from bailiwick_operator.children.model import Storage
from bailiwick_operator.kube.model import Manifest


def claim_spec(storage: Storage) -> Manifest:
    """The spec of a PersistentVolumeClaim."""
    spec: Manifest = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": storage.size}},
    }
    if storage.class_name:
        spec["storageClassName"] = storage.class_name
    return spec
