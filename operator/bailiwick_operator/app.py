"""The composition root: every part made once, and put together."""

import asyncio
import contextlib
import logging
import random
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import kopf

from bailiwick_contract.errors import BailiwickError
from bailiwick_operator.children.naming import GATEWAY
from bailiwick_operator.compile.catalogue import ListPrices
from bailiwick_operator.compile.tenant import compile_tenant
from bailiwick_operator.gather import Surroundings
from bailiwick_operator.handlers.indexing import tell_when_listed
from bailiwick_operator.handlers.lifecycle import register_lifecycle
from bailiwick_operator.handlers.relisting import take_watches
from bailiwick_operator.handlers.watch import Watches
from bailiwick_operator.issuer import read_issuer
from bailiwick_operator.keys import tenant_key
from bailiwick_operator.kube.connection import Connection, connect
from bailiwick_operator.kube.http import HttpKube
from bailiwick_operator.kube.kinds import NAMESPACE
from bailiwick_operator.lease import Lease, LeaseLostError
from bailiwick_operator.publish.acks import AckBoard
from bailiwick_operator.publish.hub import Hub
from bailiwick_operator.publish.server import ConfigServer
from bailiwick_operator.publish.service import ConfigStreamService
from bailiwick_operator.reconcile import Reconciler
from bailiwick_operator.settings import Settings
from bailiwick_operator.standing import Standing
from bailiwick_operator.tls import Certificates, FileCertificates, OwnCertificates
from bailiwick_operator.vault.grant import Trust
from bailiwick_operator.vault.keeper import VaultKeeper
from bailiwick_operator.work import Pace, WorkQueue
from bailiwick_operator.world import World

log = logging.getLogger(__name__)

UPKEEP_S = 600.0
"""How often certificates and the cluster's issuer are looked at."""

RELEASE_S = 2.0
"""For giving the lease back at the end."""


@dataclass(slots=True)
class _Running:
    """What exists between start and stop."""

    kube: HttpKube
    lease: Lease
    world: World
    certificates: Certificates
    server: ConfigServer
    service: ConfigStreamService
    queue: WorkQueue
    reconciler: Reconciler
    tasks: tuple[asyncio.Task[None], ...]


class Operator:
    """One operator process."""

    def __init__(
        self,
        settings: Settings,
        *,
        connection: Connection | None = None,
        tidy: Callable[[], None] = lambda: None,
    ) -> None:
        """`tidy` is called when all is in order, and once in a while after that."""
        self._settings = settings
        self._tidy = tidy
        self._connection = connection
        self._hub = Hub(now_ms=lambda: time.time_ns() // 1_000_000)
        self._surroundings = Surroundings(
            list_prices=ListPrices(), quota_store=settings.quota_store
        )
        self._running: _Running | None = None
        self._whole = asyncio.Event()
        self._stop = asyncio.Event()
        self._watches = Watches(add=self._add, released=self._released, listed=self._whole.set)
        self._acks = AckBoard(changed=self._watches.changed, monotonic=time.monotonic)
        self.registry = kopf.OperatorRegistry()
        self._watches.register(self.registry)
        register_lifecycle(self.registry, start=self.start, stop=self.stop, probe=self.probe)

    async def run(self, *, stop: asyncio.Event | None = None) -> None:
        """Work until `stop` is set or a signal comes."""
        tell_when_listed(self._watches.listed)
        take_watches(self._watches.take)
        self._stop = stop or asyncio.Event()
        await kopf.operator(
            registry=self.registry,
            clusterwide=True,
            standalone=True,
            # Not asked for by a process that has no peers, but computed from the user's name, which
            # a container's user need not have.
            identity=cast("Any", "bailiwick-operator"),
            liveness_endpoint=self._settings.liveness or None,
            stop_flag=self._stop,
        )

    @property
    def port(self) -> int:
        """Where agents connect, once started."""
        return self._running.server.port if self._running else 0

    async def start(self) -> None:
        """Make and start all parts; what is known of the cluster is filled in afterwards."""
        settings = self._settings
        kube = await HttpKube(self._connection or connect()).__aenter__()
        lease = Lease(
            kube,
            namespace=settings.namespace,
            identity=settings.identity or socket.gethostname(),
            now=_now,
        )
        await lease.acquire()
        certificates = self._certificates(kube)
        await certificates.refresh()
        await self._read_surroundings(kube)
        world = self._watches.world
        vault = await self._vault_keeper(kube, world)
        reconciler = Reconciler(
            kube=kube,
            world=world,
            hub=self._hub,
            acks=self._acks,
            compile_tenant=compile_tenant,
            surroundings=lambda: self._surroundings,
            settings=settings.gateway,
            operator_ca=certificates.ca,
            now=_now,
            add=self._add,
            vault=vault,
        )
        queue = WorkQueue(
            reconciler,
            pace=Pace(workers=settings.workers, resync=settings.resync_seconds),
            rng=random.Random(),  # noqa: S311 - spreads load, protects nothing
        )
        service = ConfigStreamService(
            hub=self._hub,
            acks=self._acks,
            reviewer=kube,
            audience=settings.gateway.audience,
            service_account=GATEWAY,
        )
        server = ConfigServer(
            service, address=settings.stream.address, key_pair=certificates.key_pair
        )
        await server.start()
        self._running = _Running(
            kube=kube,
            lease=lease,
            world=world,
            certificates=certificates,
            server=server,
            service=service,
            queue=queue,
            reconciler=reconciler,
            tasks=(
                asyncio.create_task(queue.run()),
                asyncio.create_task(self._begin(queue, world)),
                asyncio.create_task(self._hold(lease)),
                asyncio.create_task(self._upkeep()),
                *([asyncio.create_task(vault.run())] if vault else []),
            ),
        )
        log.info("operator started port=%d", server.port)

    async def stop(self) -> None:
        """Stop all parts; running gateways keep what they have."""
        running, self._running = self._running, None
        if running is None:
            return
        for task in running.tasks:
            task.cancel()
        for task in running.tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await running.server.stop()
        with contextlib.suppress(BailiwickError, TimeoutError):
            # Else the next one waits until it has run out.
            await asyncio.wait_for(running.lease.release(), RELEASE_S)
        await running.kube.__aexit__()
        log.info("operator stopped")

    def probe(self) -> Mapping[str, Any]:
        """What the liveness endpoint shows."""
        running = self._running
        if running is None:
            return {"started": False}
        return {
            "started": True,
            "waiting": running.queue.depth,
            "busy": running.queue.busy,
            "reconciled": running.queue.handled,
            "failed": running.queue.failed,
            "namespaces": len(self._hub),
            "streams": running.service.streams,
        }

    async def _vault_keeper(self, kube: HttpKube, world: World) -> VaultKeeper | None:
        said, vault = self._settings.vault, self._settings.gateway.vault
        if not said.manage:
            return None
        from bailiwick_operator.vault.hvac_admin import HvacVaultAdmin  # noqa: PLC0415 - see there

        system = await kube.get(NAMESPACE, name="kube-system")
        admin = HvacVaultAdmin(
            address=vault.address,
            auth_mount=said.auth_mount,
            role=said.role,
            token_file=Path(said.token_file),
            ca_file=Path(said.ca_file) if said.ca_file else None,
            namespace=vault.namespace,
        )
        return VaultKeeper(
            admin,
            # What a cluster is known by: the UID of a namespace that lives as long as it does.
            cluster=str(system["metadata"]["uid"]) if system else "",
            trust=Trust(
                method=vault.method,
                audience=vault.audience,
                service_account=GATEWAY,
                kv_version=said.kv_version,
            ),
            tenants=lambda: world.tenants,
            changed=lambda tenant: self._add(tenant_key(tenant)),
            pace=Pace(workers=1, resync=self._settings.resync_seconds),
        )

    def _certificates(self, kube: HttpKube) -> Certificates:
        stream = self._settings.stream
        if stream.certificates:
            return FileCertificates(Path(stream.certificates))
        return OwnCertificates(
            kube,
            namespace=self._settings.namespace,
            secret=stream.secret,
            names=stream.names,
            now=_now,
            others={one.secret: one.names for one in stream.others},
        )

    async def _read_surroundings(self, kube: HttpKube) -> bool:
        issuer = await read_issuer(kube)
        if issuer is None or issuer == self._surroundings.service_account_issuer:
            # An API server that says nothing at the moment has not lost its keys.
            return False
        self._surroundings = replace(self._surroundings, service_account_issuer=issuer)
        return True

    async def _upkeep(self) -> None:
        while True:
            await asyncio.sleep(UPKEEP_S)
            running = self._running
            if running is None:
                return
            self._tidy()
            try:
                trust = running.certificates.ca()
                await running.certificates.refresh()
                changed = running.certificates.ca() != trust
                if await self._read_surroundings(running.kube) or changed:
                    for tenant in tuple(running.world.tenants):
                        self._add(tenant_key(tenant))
            except Exception:
                log.exception("upkeep failed; again in %.0f s", UPKEEP_S)

    async def _hold(self, lease: Lease) -> None:
        """Keep the lease; where another has it, this operator ends."""
        try:
            await lease.keep()
        except LeaseLostError as error:
            log.critical("%s", error)
            self._stop.set()

    async def _begin(self, queue: WorkQueue, world: World) -> None:
        """Once all that there is was listed: publish what is known, then let the queue work."""
        await self._whole.wait()
        began = time.monotonic()
        standing = Standing(
            world=world,
            hub=self._hub,
            compile_tenant=compile_tenant,
            surroundings=lambda: self._surroundings,
            now=_now,
        )
        try:
            published = await standing.publish()
            log.info(
                "published what stands namespaces=%d seconds=%.1f",
                published,
                time.monotonic() - began,
            )
        except Exception:
            # A head start only: the queue does each of them, and says what is wrong with which.
            log.exception("what stands was not published at once")
        queue.open()
        await queue.idle()
        self._tidy()
        log.info("all in order keys=%d seconds=%.1f", queue.handled, time.monotonic() - began)

    def _add(self, key: str) -> None:
        if self._running is not None:
            self._running.queue.add(key)

    def _released(self, namespace: str) -> None:
        if self._running is not None:
            self._running.reconciler.released(namespace)


def _now() -> datetime:
    return datetime.now(UTC)
