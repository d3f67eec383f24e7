"""The agent's side of xDS: which config Envoy is given, and what it made of it.

Imports Envoy's messages (seconds, 30 MB), so nothing on the way to the first admission may
import this module. They stay: calls of an edited route wait until Envoy has it, which must take
milliseconds.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bailiwick_contract.errors import BailiwickError
from bailiwick_sidecar.config.accept import Accepted
from bailiwick_sidecar.settings import (
    AGENT_SOCKET,
    API_SOCKET,
    GRPC_SOCKET,
    USAGE_LOG,
    XDS_SOCKET,
    Settings,
)
from bailiwick_sidecar.xds.ads import AdsServer, AdsStatus
from bailiwick_sidecar.xds.runtime import Runtime
from bailiwick_sidecar.xds.snapshot import Snapshot
from bailiwick_sidecar.xds.translate import translate

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reports:
    """Whom to tell what Envoy made of a config, by its digest."""

    acknowledged: Callable[[str], None]
    rejected: Callable[[str, str], None]


@dataclass(slots=True)
class EnvoyLink:
    """Serves the newest config to Envoy; after a start, first the one that it took last.

    An Envoy that is new too would otherwise have nothing where the newest is one that it refuses.
    """

    settings: Settings
    reports: Reports
    desired: Accepted | None = None
    before: Accepted | None = None
    """Served until Envoy has answered to it; None: no such step."""
    key_sets: Mapping[str, str] = field(default_factory=dict)
    streams: int = 0
    taken: bool = False
    """True once Envoy has taken a config from this process."""
    _server: AdsServer = field(init=False)
    _dirty: asyncio.Event = field(default_factory=asyncio.Event)
    _published: tuple[Snapshot, str] | None = None
    _told: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        self._server = AdsServer(XDS_SOCKET, self._changed)

    def serve(self, desired: Accepted | None, key_sets: Mapping[str, str]) -> None:
        """Make this the config and these the key sets that Envoy is to have."""
        self.desired, self.key_sets = desired, key_sets
        if self.before is not None and desired is not None and self.before.digest == desired.digest:
            self.before = None
        self._dirty.set()

    async def run(self) -> None:
        """Serve ADS and publish what is wanted, until cancelled."""
        await self._server.start()
        try:
            while True:
                await self._dirty.wait()
                self._dirty.clear()
                wanted = self.before or self.desired
                if wanted is not None:
                    await self._publish(wanted)
        finally:
            await self._server.stop()

    async def _publish(self, wanted: Accepted) -> None:
        runtime = Runtime(
            port=self.settings.listen_port,
            address=self.settings.listen_host,
            agent_socket=AGENT_SOCKET,
            grpc_socket=GRPC_SOCKET,
            api_socket=API_SOCKET,
            usage_log=USAGE_LOG,
            jwks=dict(self.key_sets),
        )
        try:
            # In a thread: admission goes on meanwhile.
            snapshot = await asyncio.to_thread(translate, wanted.config, runtime)
            self._published = (snapshot, wanted.digest)
            self._server.publish(snapshot)
        except BailiwickError as error:
            self._answered(wanted.digest, str(error))

    def _changed(self, status: AdsStatus) -> None:
        self.streams = status.streams
        if self._published is None:
            return
        snapshot, digest = self._published
        if status.desired is not snapshot:
            return
        if status.rejection is not None:
            self._answered(digest, status.rejection.message)
        elif status.acked is snapshot:
            self.taken = True
            self._answered(digest, "")

    def _answered(self, digest: str, refusal: str) -> None:
        if self.before is not None and self.before.digest == digest:
            self.before = None
            self._dirty.set()
        if self._told == (digest, refusal):
            return
        self._told = (digest, refusal)
        if refusal:
            self.reports.rejected(digest, refusal)
        else:
            self.reports.acknowledged(digest)
