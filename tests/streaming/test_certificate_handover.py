"""gRPC gets a certificate when it is another one: at each handshake, a crowd crashed it."""

import asyncio
from datetime import UTC, datetime
from typing import cast

import grpc

from bailiwick_operator.kube.model import TokenReviewer
from bailiwick_operator.publish.acks import AckBoard
from bailiwick_operator.publish.hub import Hub
from bailiwick_operator.publish.server import ConfigServer, KeyPair
from bailiwick_operator.publish.service import ConfigStreamService
from bailiwick_operator.tls import issue


def pair() -> KeyPair:
    issued = issue(("operator.test",), now=datetime.now(UTC))
    return KeyPair(certificate=issued.certificate, key=issued.key)


def test_the_same_certificate_is_not_given_again() -> None:
    """Unchanged: nothing to replace. Renewed: once, at the next handshake."""

    async def run() -> None:
        served = [pair()]
        service = ConfigStreamService(
            hub=Hub(now_ms=lambda: 1),
            acks=AckBoard(changed=lambda _: None, monotonic=lambda: 0.0),
            reviewer=cast("TokenReviewer", None),
            audience="operator",
            service_account="gateway",
        )
        server = ConfigServer(service, address="127.0.0.1:0", key_pair=lambda: served[0])
        await server.start()
        try:
            assert [server._renewed() for _ in range(3)] == [None, None, None]
            served[0] = pair()
            assert isinstance(server._renewed(), grpc.ServerCertificateConfiguration)
            assert server._renewed() is None
        finally:
            await server.stop()

    asyncio.run(run())
