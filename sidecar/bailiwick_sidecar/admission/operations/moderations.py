"""Moderations: no output and, at most providers, no usage: each call costs its price."""

from typing import Final

from bailiwick_sidecar.admission.errors import refused
from bailiwick_sidecar.admission.operations.members import flag
from bailiwick_sidecar.admission.operations.operation import Asked, Operation, Said


def _read(said: Said) -> Asked:
    if flag(said, "stream"):
        raise refused("unsupported_parameter", param="stream", reason="moderations do not stream")
    return Asked(flat=True)


# OpenTelemetry has no name for it.
MODERATIONS: Final = Operation("/v1/moderations", "moderation", _read)
