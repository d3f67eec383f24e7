"""The agent's composition root: what is made of what, in which order it starts and ends.

A restarted agent has to answer a running Envoy within about a second, so admission opens before
anything that is slow to import: the ledger's SQL and Envoy's messages come after it.
"""

import asyncio
import contextlib
import importlib
import logging
import os
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bailiwick_sidecar import garbage
from bailiwick_sidecar.accounting.journal import FileJournal
from bailiwick_sidecar.accounting.records import Record
from bailiwick_sidecar.accounting.rotation import EnvoyAdmin
from bailiwick_sidecar.accounting.service import Accounting
from bailiwick_sidecar.admission.front import AGENT_HEADER, Front
from bailiwick_sidecar.admission.gate import Gate
from bailiwick_sidecar.admission.server import Bounds, HttpServer
from bailiwick_sidecar.books import Books, LateLedger
from bailiwick_sidecar.config.accept import Accepted
from bailiwick_sidecar.config.source import ConfigSource, FileConfigSource
from bailiwick_sidecar.config.status import Status, StatusFile
from bailiwick_sidecar.config.store import ConfigStore
from bailiwick_sidecar.counting import Counted, Counting, now_ms, password_of
from bailiwick_sidecar.envoy_process import envoy_started_at
from bailiwick_sidecar.farewell import Farewell, Remainder
from bailiwick_sidecar.idempotency.keyfile import KeyFile
from bailiwick_sidecar.idempotency.keys import KeyedCalls
from bailiwick_sidecar.idempotency.model import MAX_ANSWER
from bailiwick_sidecar.jwks.fetch import fetch
from bailiwick_sidecar.jwks.store import KeySets
from bailiwick_sidecar.keyring import Degraded
from bailiwick_sidecar.limit_use import LimitUse, LimitUses
from bailiwick_sidecar.measured import measure, passed_over
from bailiwick_sidecar.metrics import AgentMetrics
from bailiwick_sidecar.quota.engine import Engine
from bailiwick_sidecar.readiness import Readiness, readiness
from bailiwick_sidecar.scraping import Scraping
from bailiwick_sidecar.settings import (
    ADMIN_SOCKET,
    AGENT_SOCKET,
    API_SOCKET,
    GRPC_SOCKET,
    STATUS_FILE,
    USAGE_LOG,
    Settings,
)
from bailiwick_sidecar.split_keys import keyring_of
from bailiwick_sidecar.witness import tell

if TYPE_CHECKING:
    from bailiwick_sidecar.envoy_link import EnvoyLink
    from bailiwick_sidecar.llm_grpc.service import GrpcFace

UPKEEP_SECONDS: Final = 0.5
RETENTION_SECONDS: Final = 3600.0
"""How often the ledger is asked to let go of rows that were kept long enough."""

log = logging.getLogger(__name__)


class Agent:
    """One gateway's agent. The working directory is the settings' `run_dir`."""

    def __init__(self, settings: Settings, *, source: ConfigSource | None = None) -> None:
        self.settings = settings
        self._source = source or FileConfigSource(settings.config)
        self._store = ConfigStore(settings.acked_config)
        self._keys = keyring_of(settings)
        self._key_sets = KeySets(
            settings.jwks, fetch=fetch, clock=time.monotonic, random=random.random
        )
        self._status = StatusFile(Path(STATUS_FILE))
        self._metrics = AgentMetrics(self._protocol)
        self._scraping = Scraping(self._metrics.text, self._reasons)
        self._metrics_server = HttpServer(
            self._scraping, bounds=Bounds(body_bytes=0, connections=256, idle_seconds=60)
        )
        self._ledger = LateLedger()
        self._link: EnvoyLink | None = None
        self._gate: Gate | None = None
        self._keyed: KeyedCalls | None = None
        self._counting: Counting | None = None
        self._uses: LimitUses | None = None
        self._farewell: Farewell | None = None
        self._started_at = now_ms()
        self._envoy_at: int | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then settle what ended and give everything back.

        Raises:
            BailiwickError: it cannot start; the message says why.
        """
        await self._metrics_server.listen_tcp(
            self.settings.metrics_host, self.settings.metrics_port
        )
        try:
            self._keys.refresh()
            first = await self._first_config(stop)
            if first is not None:
                await self._serve(first, stop)
        finally:
            await self._metrics_server.close()

    async def _first_config(self, stop: asyncio.Event) -> Accepted | None:
        """The config to begin with: the file's, else the last good, else the first to come."""
        self._store.load()
        update = self._source.read()
        if update is not None:
            self._store.take(update)
        while self._store.desired is None:
            self._write_status()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(UPKEEP_SECONDS):
                    await stop.wait()
            if stop.is_set():
                return None
            update = self._source.read()
            if update is not None:
                self._store.take(update)
        return self._store.desired

    async def _serve(self, first: Accepted, stop: asyncio.Event) -> None:
        counting = self._counting = Counted(self._keys, self.settings).by(first)
        engine, store, clock = counting.engine, counting.store, counting.clock
        self._configure_keys()
        await counting.begin()
        journal = FileJournal(self.settings.journal)
        accounting = Accounting(
            journal=journal,
            store=store,
            counters=engine,
            ledger=self._ledger,
            log_path=Path(USAGE_LOG),
            reopen=EnvoyAdmin(Path(ADMIN_SOCKET)),
            clock=clock,
            observers=(
                lambda row, overshoot: self._metrics.ended(
                    row, overshoot=overshoot, currency=first.config.currency
                ),
                lambda row, _: self._keyed.row(row) if self._keyed is not None else None,
            ),
            witnesses=(self._witness,),
        )
        await accounting.recover()
        farewell = self._farewell = Farewell(
            accounting, self._ledger, admin=Path(ADMIN_SOCKET), clock=clock
        )
        keyed = self._keyed = KeyedCalls(
            KeyFile(self.settings.idempotency, write=os.write),
            clock=clock,
            under_way=accounting.book.under_way,
        )
        keyed.recover()
        gate = self._gate = Gate(
            store=store,
            accounts=Books(accounting),
            keys=self._keys,
            clock=clock,
            random=random.random,
            watcher=self._metrics,
            lender=self._keys,
            ledger_failing=self._ledger.failing,
            keyed=keyed,
        )
        self._apply(first, engine)
        self._uses = LimitUses(engine.all_states, clock=clock, monotonic=time.monotonic)
        measure(self._metrics, engine, accounting, self._ledger, self._store, clock=clock)
        self._metrics.watch_figures(self._keys.figures)
        self._metrics.watch_figures(lambda: passed_over(gate, clock()))
        self._metrics.watch_figures(counting.figures)
        # The largest that comes is an answer to keep.
        bounds = Bounds(body_bytes=MAX_ANSWER)
        server = HttpServer(Front(gate, self._reasons), bounds=bounds, headers=AGENT_HEADER)
        await server.listen_unix(Path(AGENT_SOCKET))
        log.info("event=admission_open tenant=%s", first.config.tenant)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(one)
                    for one in (
                        accounting.run(),
                        counting.run(),
                        self._open_ledger(first, journal),
                        self._serve_envoy(),
                        self._serve_grpc(),
                        self._follow_config(engine),
                        self._key_sets.run(self._publish),
                        self._keys.run(),
                        self._keep(counting, accounting),
                    )
                ]
                await stop.wait()
                gate.draining = True
                await farewell.settle()
                await farewell.ship(self.settings.settle_seconds)
                for task in tasks:
                    task.cancel()
        finally:
            await server.close()
            # The ledger reads the journal to its end, which a closed journal does not have.
            await asyncio.to_thread(self._ledger.close)
            await accounting.close()
            keyed.close()
            await counting.close()
            log.info("event=agent_stopped")

    # --- config ---

    def _apply(self, accepted: Accepted, engine: Engine) -> None:
        """Limits, permissions, keys and routes of this config hold from here on."""
        if self._counting is not None:
            self._counting.obey(accepted.config)
        engine.reload(accepted.limits, accepted.time_zone)
        self._key_sets.configure(accepted.config.issuers)
        self._configure_keys()
        self._refresh_tables()
        self._publish()

    async def _follow_config(self, engine: Engine) -> None:
        async for update in self._source.updates():
            accepted = self._store.take(update)
            if accepted is not None:
                self._apply(accepted, engine)
            self._write_status()

    def _configure_keys(self) -> None:
        """Ask for the keys of every place that calls may go to, of either config."""
        configs = [one for one in (self._store.desired, self._store.acked) if one is not None]
        ways = [way for one in configs for way in one.tables.ways.values()]
        refs = {place.key for way in ways for place in way.places if place.key is not None}
        refs |= {ref for one in configs if (ref := password_of(one.config)) is not None}
        if configs:
            self._keys.configure(refs, configs[0].config.vault)

    def look_for_keys(self) -> None:
        """Have every provider's key read at once."""
        log.info("event=keys_noticed by=signal")
        self._keys.look_now()

    def _refresh_tables(self) -> None:
        if self._gate is not None:
            tables = self._gate.tables = self._store.tables()
            if tables is not None:
                ways = tables.ways.values()
                self._gate.health.keep(frozenset(one.code for way in ways for one in way.places))

    # --- Envoy ---

    async def _serve_envoy(self) -> None:
        module = await _loaded("bailiwick_sidecar.envoy_link")
        acked, desired = self._store.acked, self._store.desired
        link: EnvoyLink = module.EnvoyLink(
            settings=self.settings,
            reports=module.Reports(self._acknowledged, self._rejected),
            before=acked if acked is not None and acked is not desired else None,
        )
        self._link = link
        self._publish()
        await link.run()

    async def _serve_grpc(self) -> None:
        module = await _loaded("bailiwick_sidecar.llm_grpc.service")
        face: GrpcFace = module.GrpcFace(envoy=API_SOCKET, ready=lambda: not self._reasons())
        await face.listen(Path(GRPC_SOCKET))
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await face.close()

    def _publish(self) -> None:
        if self._link is not None:
            self._link.serve(self._store.desired, self._key_sets.by_issuer())
        self._write_status()

    def _acknowledged(self, digest: str) -> None:
        self._store.acknowledged(digest)
        self._refresh_tables()
        self._configure_keys()
        self._write_status()

    def _rejected(self, digest: str, words: str) -> None:
        self._store.rejected(digest, words)
        self._write_status()

    def _witness(self, record: Record) -> None:
        tell(
            record,
            gate=self._gate,
            keyed=self._keyed,
            keys=self._keys,
            key_sets=self._key_sets,
            now=now_ms(),
        )

    # --- upkeep ---

    async def _open_ledger(self, first: Accepted, journal: FileJournal) -> None:
        module = await _loaded("bailiwick_sidecar.ledger_link")
        self._ledger.open(module.ledger_of(self.settings, first.config, journal))
        while True:
            config = (self._store.desired or first).config
            await asyncio.to_thread(module.forget_old, self.settings, config, now_ms())
            await asyncio.sleep(RETENTION_SECONDS)

    async def _keep(self, counting: Counting, accounting: Accounting) -> None:
        engine, clock = counting.engine, counting.clock
        while True:
            self._keys.refresh()
            self._envoy_at = envoy_started_at(Path(ADMIN_SOCKET))
            if self._envoy_at is not None:
                accounting.envoy_started(self._envoy_at, now=now_ms())
            now = clock()
            engine.expire(now)
            if self._gate is not None:
                self._gate.calls.sweep(now)
            if self._keyed is not None:
                self._keyed.sweep(now)
            if self._farewell is not None and self._remainder() is not None:
                await self._farewell.count()
            self._write_status()
            await asyncio.sleep(UPKEEP_SECONDS)

    # --- what is said of it ---

    def _readiness(self) -> Readiness:
        desired = self._store.desired
        key_sets = self._key_sets.by_issuer()
        gate = self._gate
        return readiness(
            gate.tables if gate is not None else None,
            acked=self._envoy_serves(),
            issuers=len(desired.config.issuers) if desired else 0,
            key_sets=len(key_sets),
            key_problems=self._key_sets.problems(),
            has_key=gate.has_key if gate is not None else lambda _: False,
            why=gate.why_keyless if gate is not None else lambda _: "",
        )

    def _envoy_serves(self) -> bool:
        """True where Envoy has a config: from this process, or still from the one before."""
        if self._link is not None and self._link.taken:
            return True
        older = self._envoy_at is not None and self._envoy_at < self._started_at
        return older and self._store.acked is not None

    def _reasons(self) -> tuple[str, ...]:
        return self._readiness().reasons

    def _write_status(self) -> None:
        state = self._readiness()
        self._status.write(
            Status.of(
                self._store,
                reasons=state.reasons,
                warnings=state.warnings,
                degraded=(*self._keys.degraded(), *self._away()),
                keys=self._keys.facts(),
                remainder=self._remainder(),
            )
        )

    def _remainder(self) -> Remainder | None:
        """What is left to do where no call is taken; None while calls are."""
        desired, gate = self._store.desired, self._gate
        denying = desired is not None and bool(desired.config.deny_reason)
        if self._farewell is None or not (denying or (gate is not None and gate.draining)):
            return None
        return self._farewell.remainder()

    def _away(self) -> tuple[Degraded, ...]:
        """What it depends on beside keys, and is away."""
        counting = self._counting.degraded() if self._counting is not None else ()
        return (*counting, *self._ledger.degraded())

    def _limit_uses(self) -> tuple[LimitUse, ...]:
        """How far limits are used, as seen some seconds ago."""
        desired = self._store.desired
        if self._uses is None or desired is None:
            return ()
        return self._uses.seen(desired.config.time_zone)

    def _protocol(self, provider: str) -> str:
        desired = self._store.desired
        return desired.tables.protocols.get(provider, "other") if desired else "other"


async def _loaded(name: str) -> Any:
    """A module that takes long to import: in a thread, so that admission goes on meanwhile."""
    module = await asyncio.to_thread(importlib.import_module, name)
    garbage.seldom()
    return module
