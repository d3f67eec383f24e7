"""Configs that the operator left in the namespace: what a gateway starts on while it is away."""

import hashlib
import logging
from pathlib import Path

from bailiwick_contract.bounds import MAX_CONFIG_BYTES
from bailiwick_sidecar.config.source import Update

log = logging.getLogger(__name__)


def read_mount(folder: Path) -> Update | None:
    """The config that was acknowledged last, else the newest; None where neither is whole.

    The acknowledged one comes first: the newest may be one that every gateway refuses.
    """
    for name in ("acked", "current"):
        update = _read(folder / name)
        if update is not None:
            log.info("event=config_from_mount which=%s sequence=%d", name, update.sequence)
            return update
    return None


def _read(folder: Path) -> Update | None:
    try:
        with (folder / "config.pb").open("rb") as file:
            data = file.read(MAX_CONFIG_BYTES + 1)
        sequence = int((folder / "sequence").read_text(encoding="ascii"))
        digest = (folder / "digest").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    if hashlib.sha256(data).hexdigest() != digest:
        log.warning("event=mounted_config_torn path=%s", folder)
        return None
    return Update(sequence, data)
