"""Endpoints that are metered: one module each, with what differs in it."""

from collections.abc import Mapping
from typing import Final

from bailiwick_sidecar.admission.operations.chat import CHAT
from bailiwick_sidecar.admission.operations.completions import COMPLETIONS
from bailiwick_sidecar.admission.operations.embeddings import EMBEDDINGS
from bailiwick_sidecar.admission.operations.images import IMAGES
from bailiwick_sidecar.admission.operations.moderations import MODERATIONS
from bailiwick_sidecar.admission.operations.operation import Operation
from bailiwick_sidecar.admission.operations.responses import RESPONSES

OPERATIONS: Final[Mapping[str, Operation]] = {
    operation.path: operation
    for operation in (CHAT, EMBEDDINGS, RESPONSES, COMPLETIONS, MODERATIONS, IMAGES)
}
"""By path."""
