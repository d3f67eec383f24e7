"""What the agent says of itself to whoever started it: one small JSON file."""

import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from bailiwick_sidecar.config.files import replace_file
from bailiwick_sidecar.config.store import ConfigStore
from bailiwick_sidecar.farewell import Remainder
from bailiwick_sidecar.keyring import Degraded, KeyFact
from bailiwick_sidecar.limit_use import LimitUse

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Status:
    """The agent as it stands. Digests are SHA-256 in hex, empty for none."""

    pid: int
    """The process that wrote this."""
    desired: str
    """Digest of the config whose limits and permissions are in force."""
    acked: str
    """Digest of the config that Envoy serves."""
    sequence: int
    """Number of the newest config that came, in this process; also where it was refused."""
    error: str
    """Why the newest config is not served; empty: it is, or is about to be."""
    ready: bool
    reasons: tuple[str, ...]
    """Why it is not ready."""
    warnings: tuple[str, ...]
    """What does not work though it is ready."""
    degraded: tuple[Degraded, ...] = ()
    """What it depends on and is not as it should be, and since when."""
    limits: tuple[LimitUse, ...] = ()
    """How far limits are used; told to the operator alone."""
    keys: tuple[KeyFact, ...] = ()
    """Which providers' keys want attention."""
    remainder: Remainder | None = None
    """What is left to do where no call is taken; None while calls are."""

    @classmethod
    def of(
        cls,
        store: ConfigStore,
        *,
        reasons: tuple[str, ...],
        warnings: tuple[str, ...],
        degraded: tuple[Degraded, ...] = (),
        keys: tuple[KeyFact, ...] = (),
        limits: tuple[LimitUse, ...] = (),
        remainder: Remainder | None = None,
    ) -> "Status":
        """The status of this process with this config store."""
        return cls(
            pid=os.getpid(),
            desired=store.desired.digest if store.desired else "",
            acked=store.acked.digest if store.acked else "",
            sequence=store.newest,
            error=store.error,
            ready=not reasons,
            reasons=reasons,
            warnings=warnings,
            degraded=degraded,
            keys=keys,
            limits=limits,
            remainder=remainder,
        )


class StatusFile:
    """The file; written when something changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: Status | None = None

    def write(self, status: Status) -> None:
        """Make the file say this."""
        if status == self._last:
            return
        try:
            replace_file(self._path, orjson.dumps(asdict(status)) + b"\n")
            self._last = status
        except OSError as error:
            log.warning("event=status_unwritten path=%s reason=%r", self._path, str(error))
