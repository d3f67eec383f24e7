"""Desired and acknowledged config: what calls obey, and what Envoy has of it."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bailiwick_contract.errors import BailiwickError
from bailiwick_sidecar.admission.tables import Tables, live
from bailiwick_sidecar.config.accept import Accepted, accept
from bailiwick_sidecar.config.files import replace_file
from bailiwick_sidecar.config.source import Update

log = logging.getLogger(__name__)


@dataclass(slots=True)
class ConfigStore:
    """The config that holds (`desired`) and the one that Envoy serves (`acked`).

    The acknowledged one is kept on disk: a restarted agent knows what a running Envoy has, and
    never starts on a config that was refused.
    """

    path: Path
    desired: Accepted | None = None
    acked: Accepted | None = None
    error: str = ""
    """Why the newest config is not in force, or not in Envoy; empty: it is."""
    newest: int = 0
    """Sequence of the newest config that came, also where it was refused."""
    taken_at: float = 0.0
    clock: Callable[[], float] = time.monotonic
    """Seconds that only go forward."""

    def load(self) -> None:
        """Take what Envoy acknowledged last from disk, if there is something."""
        try:
            self.acked = accept(Update(0, self.path.read_bytes()))
        except FileNotFoundError:
            return
        except (OSError, BailiwickError) as error:
            log.warning("event=last_config_unusable path=%s reason=%r", self.path, str(error))
            return
        self.desired, self.taken_at = self.acked, self.clock()

    def take(self, update: Update) -> Accepted | None:
        """Put a new config in force; None where it is refused (then `error` says why)."""
        self.newest = update.sequence
        serving = self.desired
        try:
            accepted = accept(
                update,
                tenant=serving.config.tenant if serving else "",
                namespace=serving.config.namespace if serving else "",
            )
        except BailiwickError as error:
            self.error = str(error)
            log.error("event=config_refused sequence=%d reason=%r", update.sequence, self.error)  # noqa: TRY400 -- the message is complete
            return None
        self.desired, self.error, self.taken_at = accepted, "", self.clock()
        log.info("event=config_taken sequence=%d digest=%s", accepted.sequence, accepted.digest)
        return accepted

    def acknowledged(self, digest: str) -> None:
        """Envoy serves the config of this digest, all of it."""
        if self.desired is None or self.desired.digest != digest:
            return
        self.acked, self.error = self.desired, ""
        try:
            replace_file(self.path, self.acked.data)
        except OSError as error:
            log.warning("event=last_config_unwritten path=%s reason=%r", self.path, str(error))
        log.info("event=config_acked sequence=%d digest=%s", self.acked.sequence, digest)

    def rejected(self, digest: str, words: str) -> None:
        """Envoy refuses the config of this digest; its words are what a person needs."""
        if self.desired is not None and self.desired.digest == digest:
            self.error = f"Envoy refused the config: {words}"
            log.error("event=config_nacked digest=%s reason=%r", digest, words)

    @property
    def current(self) -> bool:
        """True where Envoy serves the newest config that came."""
        same = self.desired and self.acked and self.desired.digest == self.acked.digest
        return bool(same) and not self.error

    def age(self) -> float:
        """Seconds since the config in force was taken; 0 while there is none."""
        return self.clock() - self.taken_at if self.desired else 0.0

    def tables(self) -> Tables | None:
        """What calls look at: the desired config on the places that Envoy has."""
        if self.desired is None:
            return None
        acked = self.acked.tables if self.acked else None
        return live(self.desired.tables, acked, awaited=not (self.current or self.error))
