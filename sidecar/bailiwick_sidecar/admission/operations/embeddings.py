"""Embeddings: input alone."""

from typing import Final

from bailiwick_sidecar.admission.errors import refused
from bailiwick_sidecar.admission.operations.members import flag, usage_wanted
from bailiwick_sidecar.admission.operations.operation import Asked, Operation, Said


def _read(said: Said) -> Asked:
    if flag(said, "stream"):
        raise refused("unsupported_parameter", param="stream", reason="embeddings do not stream")
    return Asked(usage_wanted=usage_wanted(said))


EMBEDDINGS: Final = Operation("/v1/embeddings", "embeddings", _read)
