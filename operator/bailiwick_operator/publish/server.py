"""The gRPC server of the config stream: TLS always, certificates renewed while it runs."""

from collections.abc import Callable
from dataclasses import dataclass, field

import grpc

from bailiwick_contract.errors import BailiwickError
from bailiwick_operator.publish.service import ConfigStreamService

LARGEST_ACK = 64 * 1024
"""Bytes of one message from an agent."""

OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", LARGEST_ACK),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
    ("grpc.max_concurrent_streams", 16),
    ("grpc.so_reuseport", 0),
    # What gRPC would remember of each connection for a debugger takes 3 kB of it.
    ("grpc.enable_channelz", 0),
    ("grpc.max_channel_trace_event_memory_per_node", 0),
)


class ServerError(BailiwickError):
    """The config stream can't be served."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A server certificate chain and its key, in PEM."""

    certificate: bytes
    key: bytes = field(repr=False)


class ConfigServer:
    """Listens for agents from `start` until `stop`."""

    def __init__(
        self, service: ConfigStreamService, *, address: str, key_pair: Callable[[], KeyPair]
    ) -> None:
        """`key_pair` is asked again at every handshake: a renewal needs no restart."""
        self._served: KeyPair | None = None
        self._service = service
        self._address = address
        self._key_pair = key_pair
        self._server: grpc.aio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen; raises ServerError where the address can't be had."""
        server = grpc.aio.server(options=OPTIONS)
        server.add_generic_rpc_handlers((self._service.handlers(),))
        self._served = self._key_pair()
        credentials = grpc.dynamic_ssl_server_credentials(
            _configuration(self._served),
            self._renewed,  # type: ignore[arg-type]  # None: no other than before (grpc's docs)
        )
        try:
            self.port = server.add_secure_port(self._address, credentials)
        except RuntimeError as error:
            raise ServerError(
                f"the config stream can't listen on {self._address}: {error}; is the port taken?"
            ) from error
        await server.start()
        self._server = server

    async def stop(self, *, grace_s: float = 1.0) -> None:
        """End all streams; the agents keep what they have and come back."""
        if self._server is not None:
            await self._server.stop(grace_s)
            self._server = None

    def _renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """The certificate where it is another one than before.

        Given at each handshake, gRPC replaces what handshakes under way still use: a crowd of
        agents that came back at once ended the process (grpcio 1.85, a segmentation fault).
        """
        pair = self._key_pair()
        if pair == self._served:
            return None
        self._served = pair
        return _configuration(pair)


def _configuration(pair: KeyPair) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(pair.key, pair.certificate)])
