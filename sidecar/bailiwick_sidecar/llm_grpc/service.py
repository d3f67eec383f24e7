"""The gRPC face as a whole: what it serves and where."""

import logging
from collections.abc import Callable
from pathlib import Path

from bailiwick_sidecar.llm_grpc.calls import opening
from bailiwick_sidecar.llm_grpc.health import Health
from bailiwick_sidecar.llm_grpc.http_client import EnvoyClient
from bailiwick_sidecar.llm_grpc.method import METHODS, SERVICE
from bailiwick_sidecar.llm_grpc.reflection import Reflection
from bailiwick_sidecar.llm_grpc.server import GrpcServer

log = logging.getLogger(__name__)


class GrpcFace:
    """LanguageModel, health and reflection on one Unix socket, for Envoy."""

    def __init__(self, *, envoy: str, ready: Callable[[], bool]) -> None:
        """Calls go on to the Envoy that listens at the Unix socket `envoy`."""
        self._client = EnvoyClient(envoy)
        self._server = GrpcServer(
            {f"/{SERVICE}/{each.name}": opening(each, self._client) for each in METHODS}
            | dict(Health(ready).methods())
            | dict(Reflection().methods())
        )

    async def listen(self, path: Path) -> None:
        """Serve at `path`.

        Raises:
            SocketInUseError: a living process listens there.
        """
        await self._server.listen(path)
        log.info("event=grpc_open")

    async def close(self) -> None:
        """End every call and give the sockets back."""
        await self._server.close()
        await self._client.close()
