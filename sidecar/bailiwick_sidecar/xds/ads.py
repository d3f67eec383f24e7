"""Serves snapshots to Envoy over a Unix socket and knows what Envoy took."""

import asyncio
import logging
import os
import stat
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import grpc

from bailiwick_contract.errors import BailiwickError
from bailiwick_contract.v1.discovery_pb2 import DiscoveryRequest, DiscoveryResponse
from bailiwick_sidecar.xds.bindings import ads_handlers, message_of, request_of
from bailiwick_sidecar.xds.sessions import Rejection, Request, Session
from bailiwick_sidecar.xds.snapshot import Snapshot

_log = logging.getLogger(__name__)


class AdsServerError(BailiwickError):
    """The server can't listen on its socket."""


@dataclass(frozen=True, slots=True)
class AdsStatus:
    """How far Envoy is."""

    desired: Snapshot | None
    """What was published last."""
    acked: Snapshot | None
    """What every connected Envoy took last, of all kinds."""
    rejection: Rejection | None
    """Why the desired one was refused; None while it is under way or taken."""
    streams: int
    """How many Envoys are connected."""


_Inbox: TypeAlias = asyncio.Queue[Request | None]


class AdsServer:
    """One target at a time for every Envoy that connects; a refused one gives way to the last good.

    `on_change` is called in the event loop after each change of the status.
    """

    def __init__(self, socket_path: Path | str, on_change: Callable[[AdsStatus], None]) -> None:
        self._path = str(socket_path)
        self._on_change = on_change
        self._server: grpc.aio.Server | None = None
        self._sessions: dict[Session, _Inbox] = {}
        self._closing = False
        self._desired: Snapshot | None = None
        self._target: Snapshot | None = None
        self._acked: Snapshot | None = None
        self._rejection: Rejection | None = None
        self._reported: AdsStatus | None = None

    @property
    def status(self) -> AdsStatus:
        """The state of the world as Envoy told it."""
        return AdsStatus(self._desired, self._acked, self._rejection, len(self._sessions))

    async def start(self) -> None:
        """Listen; the socket is open to its owner alone.

        Raises:
            AdsServerError: the path can't be listened on.
        """
        server = grpc.aio.server(options=[("grpc.max_receive_message_length", 4 * 1024 * 1024)])
        server.add_generic_rpc_handlers((ads_handlers(self._stream),))
        mask = os.umask(stat.S_IRWXG | stat.S_IRWXO)
        try:
            server.add_insecure_port(f"unix:{self._path}")
        except RuntimeError as error:
            raise AdsServerError(
                f"can't listen on {self._path!r}: remove what is in its way, or shorten the path"
            ) from error
        finally:
            os.umask(mask)
        await server.start()
        self._server = server

    async def stop(self) -> None:
        """End all streams and stop listening."""
        self._closing = True
        self._wake()
        if self._server is not None:
            await self._server.stop(grace=1)

    def publish(self, snapshot: Snapshot) -> None:
        """Make this the target of every Envoy, now and for those to come.

        Raises:
            InconsistentSnapshotError: it is not whole.
        """
        snapshot.consistent()
        self._desired = self._target = snapshot
        self._rejection = None
        self._wake()
        self._report()

    async def _stream(
        self, requests: AsyncIterator[DiscoveryRequest], _context: object
    ) -> AsyncIterator[DiscoveryResponse]:
        session, inbox = Session(), asyncio.Queue[Request | None]()
        self._sessions[session] = inbox
        ended = asyncio.Event()
        reader = asyncio.create_task(_read(requests, inbox, ended))
        _log.info("event=ads_stream_opened streams=%d", len(self._sessions))
        self._report()
        try:
            while not (self._closing or ended.is_set()):
                request = await inbox.get()
                if request is not None:
                    self._take(session, request)
                for response in session.respond(self._target):
                    yield message_of(response)
                self._settle()
        finally:
            reader.cancel()
            del self._sessions[session]
            _log.info("event=ads_stream_closed streams=%d", len(self._sessions))
            self._settle()

    def _take(self, session: Session, request: Request) -> None:
        rejection = session.receive(request)
        if rejection is None:
            return
        _log.error(
            "event=ads_rejected kind=%s version=%s message=%r",
            rejection.kind.name,
            rejection.version,
            rejection.message,
        )
        if self._target is self._desired and self._rejection is None:
            self._rejection = rejection
            self._target = self._acked
            self._wake()

    def _settle(self) -> None:
        target = self._target
        if target is not None and self._sessions and all(s.holds(target) for s in self._sessions):
            self._acked = target
        self._report()

    def _report(self) -> None:
        status = self.status
        if status != self._reported:
            self._reported = status
            self._on_change(status)

    def _wake(self) -> None:
        for inbox in self._sessions.values():
            inbox.put_nowait(None)


async def _read(
    requests: AsyncIterator[DiscoveryRequest], inbox: _Inbox, ended: asyncio.Event
) -> None:
    try:
        async for message in requests:
            request = request_of(message)
            if request is not None:
                inbox.put_nowait(request)
    finally:
        ended.set()
        inbox.put_nowait(None)
