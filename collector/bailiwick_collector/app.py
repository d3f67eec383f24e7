"""The collector put together: what is made of what, in which order it starts and ends."""

import asyncio
import contextlib
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import grpc
from aiohttp import web

from bailiwick_collector.certificates import Certificates
from bailiwick_collector.credentials import credentials_of
from bailiwick_collector.database import Postgres
from bailiwick_collector.errors import CollectorError, DatabaseAwayError, SettingsError
from bailiwick_collector.identity import Owners
from bailiwick_collector.ledger import PostgresLedger
from bailiwick_collector.metrics import CollectorMetrics
from bailiwick_collector.service import UsageService
from bailiwick_collector.settings import Settings
from bailiwick_operator.kube.model import Kube

log = logging.getLogger(__name__)

LARGEST_BATCH: Final = 16 << 20
UPKEEP_S: Final = 3600.0
RETRY_S: Final = 1.0
"""How soon a database that was away at the start is asked again; doubled up to a minute."""
GRACE_S: Final = 25.0
OPTIONS: Final = (
    ("grpc.max_receive_message_length", LARGEST_BATCH),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
    # Agents come back after this, so that a new replica gets its share of them.
    ("grpc.max_connection_age_ms", 600_000),
    ("grpc.max_connection_age_grace_ms", 30_000),
    ("grpc.so_reuseport", 0),
)


class Collector:
    """One collector process. It keeps nothing: any number may run beside each other."""

    def __init__(self, settings: Settings, kube: Kube) -> None:
        self._settings = settings
        database = settings.database
        self._threads = ThreadPoolExecutor(database.connections, "database")
        self._ledger = PostgresLedger(Postgres(database, credentials_of(database.credentials)))
        self.metrics = CollectorMetrics(clock=time.monotonic)
        self._service = UsageService(
            owners=Owners(
                kube,
                audience=settings.audience,
                service_account=settings.service_account,
                seconds=settings.review_seconds,
                clock=time.monotonic,
            ),
            ledger=self._ledger,
            threads=self._threads,
            metrics=self.metrics,
        )
        self.port = 0
        self.metrics_port = 0
        self._checked = False

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then let calls under way end.

        Raises:
            CollectorError: it can't listen, or the database is of another release.
        """
        server = self._server()
        web_runner = await self._serve_metrics()
        upkeep = asyncio.create_task(self._keep())
        stopping = asyncio.create_task(stop.wait())
        try:
            await server.start()
            log.info("event=collector_started port=%d", self.port)
            await asyncio.wait({upkeep, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if upkeep.done():
                upkeep.result()
        finally:
            for task in (upkeep, stopping):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, CollectorError):
                    await task
            await server.stop(GRACE_S)
            await web_runner.cleanup()
            self._threads.shutdown()
            self._ledger.close()
            log.info("event=collector_stopped")

    def _server(self) -> grpc.aio.Server:
        server = grpc.aio.server(options=OPTIONS)
        server.add_generic_rpc_handlers((self._service.handlers(),))
        certificates = Certificates(Path(self._settings.certificates))
        credentials = grpc.dynamic_ssl_server_credentials(
            certificates.configuration(),
            certificates.newer,  # type: ignore[arg-type]  # gRPC takes None for "as before"
        )
        try:
            self.port = server.add_secure_port(self._settings.address, credentials)
        except RuntimeError as error:
            raise CollectorError(
                f"the collector can't listen on {self._settings.address}: {error}; is the port"
                " taken?"
            ) from error
        return server

    async def _serve_metrics(self) -> web.AppRunner:
        async def text(_: web.Request) -> web.Response:
            return web.Response(
                body=self.metrics.text(),
                headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
            )

        async def alive(_: web.Request) -> web.Response:
            return web.Response(text="ok\n")

        async def ready(_: web.Request) -> web.Response:
            # A database that goes away later changes nothing: agents are told so, and wait.
            return web.Response(
                text="ok\n" if self._checked else "the database was not asked yet\n",
                status=200 if self._checked else 503,
            )

        app = web.Application()
        app.router.add_get("/metrics", text)
        app.router.add_get("/healthz", alive)
        app.router.add_get("/readyz", ready)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        host, _, port = self._settings.metrics.rpartition(":")
        try:
            await web.TCPSite(runner, host.strip("[]"), int(port)).start()
        except (OSError, ValueError) as error:
            await runner.cleanup()
            raise SettingsError(
                f"metrics can't be served at {self._settings.metrics} ({error}): write HOST:PORT"
                " with a free port"
            ) from error
        self.metrics_port = runner.addresses[0][1]
        return runner

    async def _keep(self) -> None:
        """The schema is checked as soon as the database answers; months are made ahead."""
        loop = asyncio.get_running_loop()
        pause = RETRY_S
        while True:
            try:
                await loop.run_in_executor(self._threads, self._ledger.check)
            except DatabaseAwayError as error:
                self.metrics.database_away()
                log.warning("event=database_away error=%r", str(error))
                await asyncio.sleep(pause)
                pause = min(2 * pause, 60.0)
            else:
                self._checked = True
                pause = RETRY_S
                await asyncio.sleep(UPKEEP_S)
