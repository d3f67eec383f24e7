"""The keys of one gateway: in memory, read from Vault, kept fresh, and lent to attempts."""

import asyncio
import contextlib
import importlib
import logging
import random as random_module
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from prometheus_client.core import Metric

from bailiwick_contract.v1.tenant_config_pb2 import Vault
from bailiwick_sidecar.key_marks import Lent, lent
from bailiwick_sidecar.keyring import Degraded, KeyFact
from bailiwick_sidecar.quota.model import AttemptKey
from bailiwick_sidecar.secrets import Absent, KeyRef, Secret
from bailiwick_sidecar.vault.figures import families
from bailiwick_sidecar.vault.freshness import Key, Standing, after, aged, refused, served, usable
from bailiwick_sidecar.vault.loans import Loan, Loans
from bailiwick_sidecar.vault.outcomes import Denied, Failed, Outcome
from bailiwick_sidecar.vault.reader import Login, Reader, VaultApi
from bailiwick_sidecar.vault.settings import Method, VaultSettings
from bailiwick_sidecar.vault.timing import Demand, poll_pause, retry_pause
from bailiwick_sidecar.vault.words import absent, complaints, facts, shown
from bailiwick_sidecar.vault.worker import Worker

REPLACED_SECONDS: Final = 2.0
"""How long a further attempt waits for Vault's answer."""
REFUSALS: Final = frozenset({401, 403})
IDLE_SECONDS: Final = 60.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Clocks:
    """Time and chance."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    random: Callable[[], float] = random_module.random


def connect(settings: VaultSettings, clocks: Clocks) -> VaultApi:
    """A client for this Vault. Imports hvac, so it takes a moment: call it in the worker."""
    module = importlib.import_module("bailiwick_sidecar.vault.client")
    client: VaultApi = module.VaultClient(settings, clock=clocks.monotonic)
    return client


class VaultKeys:
    """A Keyring over one Vault. Everything but the worker's calls runs on the event loop."""

    def __init__(
        self,
        settings: VaultSettings,
        *,
        clocks: Clocks | None = None,
        connect: Callable[[VaultSettings, Clocks], VaultApi] = connect,
    ) -> None:
        self.settings = settings
        self._clocks = clocks or Clocks()
        self._connect = connect
        self._login: Login | None = None
        self._notice: str | None = None
        self._keys: dict[KeyRef, Key] = {}
        self._due: dict[KeyRef, float] = {}
        self._failures = 0
        self._demand: dict[KeyRef, Demand] = {}
        self._demanded: dict[KeyRef, asyncio.Future[None]] = {}
        self._loans = Loans()
        self._wake = asyncio.Event()
        self._reads: Counter[str] = Counter()
        self._early: Counter[KeyRef] = Counter()
        """How often in a row Vault denied a key that it never gave."""

    # --- what admission asks ---

    def get(self, ref: KeyRef) -> Secret | Absent:
        """The key as it is now."""
        key = self._keys.get(ref)
        if key is None:
            return Absent(f"{shown(ref)} is not asked for yet")
        held = usable(key, now=self._clocks.monotonic())
        return held.secret if held is not None else absent(ref, key, self.settings, self._login)

    def lend(self, attempt: AttemptKey, ref: KeyRef) -> Lent | Absent:
        """The key for this attempt."""
        key = self._keys.get(ref)
        if key is None:
            return Absent(f"{shown(ref)} is not asked for yet")
        held = usable(key, now=self._clocks.monotonic())
        if held is None:
            return absent(ref, key, self.settings, self._login)
        self._loans.lend(attempt, Loan(ref, held.serial))
        return lent(ref, held.secret, version=held.version, key_id=held.key_id)

    def ended(self, attempt: AttemptKey, status: int) -> None:
        """What the answer says about the key that the attempt left with."""
        if status in REFUSALS:
            loan = self._refuse(attempt)
            if loan is not None:
                self._ask_soon(loan.ref)
            return
        loan = self._loans.end(attempt)
        if loan is not None and 200 <= status < 300:  # noqa: PLR2004 -- HTTP's range of successes
            self._change(loan.ref, lambda key: served(key, loan.serial))

    async def replaced(self, before: AttemptKey, ref: KeyRef) -> bool:
        """True where the next attempt has another key than `before`, which the provider refused."""
        self._refuse(before)
        loan = self._loans.settle(before)
        if loan is None or loan.ref != ref:
            return False
        current = self._keys[ref].current if ref in self._keys else None
        if current is not None and current.serial != loan.serial:
            return self._another(loan)
        # The newest is refused. Vault may have a newer one; else the one before may do.
        asked = self._ask_soon(ref)
        if asked is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REPLACED_SECONDS):
                    await asyncio.shield(asked)
        return self._another(loan)

    # --- upkeep ---

    def configure(self, refs: Collection[KeyRef], vault: Vault) -> None:
        """Ask for these keys from now on; what is not among them is forgotten."""
        login = Login(vault.auth_mount, vault.role)
        if login != self._login:
            self._login = login
            self._due = dict.fromkeys(self._due, 0.0)
        wanted = set(refs)
        for ref in self._keys.keys() - wanted:
            del self._keys[ref], self._due[ref]
            self._demand.pop(ref, None)
            del self._early[ref]
        for ref in wanted - self._keys.keys():
            self._keys[ref], self._due[ref] = Key(), 0.0
        if self._notice is not None and vault.notice != self._notice:
            log.info("event=keys_noticed")
            self.look_now()
        self._notice = vault.notice
        self._wake.set()

    def look_now(self) -> None:
        """Have every key read at once."""
        self._due = dict.fromkeys(self._due, 0.0)
        self._wake.set()

    def refresh(self) -> bool:
        """Drop what is stale; true where something was."""
        now, limit = self._clocks.monotonic(), self.settings.max_stale
        before = dict(self._keys)
        for ref in before:
            self._change(ref, lambda key: aged(key, now=now, max_stale=limit))
        return before != self._keys

    async def run(self) -> None:
        """Keep the keys fresh, until cancelled."""
        worker = Worker("vault")
        reader: Reader | None = None
        try:
            api = await worker.call(lambda: self._connect(self.settings, self._clocks))
            reader = Reader(api, clock=self._clocks.monotonic, random=self._clocks.random)
            while True:
                self._wake.clear()
                await self._round(worker, reader)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._pause(reader)):
                        await self._wake.wait()
        finally:
            for asked in self._demanded.values():
                asked.cancel()
            if reader is not None:
                closing = asyncio.ensure_future(worker.call(reader.close))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(1):
                        await asyncio.shield(closing)
            worker.close()

    def degraded(self) -> tuple[Degraded, ...]:
        """What is wrong with Vault or a key, and since when."""
        return complaints(self._keys, self.settings, wall=self._clocks.wall())

    def facts(self) -> tuple[KeyFact, ...]:
        """Which keys want attention."""
        return facts(self._keys, self.settings, wall=self._clocks.wall())

    def figures(self) -> Iterable[Metric]:
        """Versions, ages and answers, for a scrape."""
        return families(
            self._keys, self._reads, now=self._clocks.monotonic(), wall=self._clocks.wall()
        )

    async def _round(self, worker: Worker, reader: Reader) -> None:
        now = self._clocks.monotonic()
        due = [ref for ref, at in self._due.items() if at <= now or ref in self._demanded]
        login = self._login
        if login is None or not (due or (self._keys and now >= reader.renew_at)):
            return
        if not self._may_ask(login):
            return
        outcomes = await worker.call(lambda: reader.read(login, due))
        self._take(outcomes)

    def _take(self, outcomes: Mapping[KeyRef, Outcome]) -> None:
        now = self._clocks.monotonic()
        failed = [one for one in outcomes.values() if isinstance(one, Failed)]
        self._failures = self._failures + 1 if failed else 0
        for ref, outcome in outcomes.items():
            label = outcome.cause if isinstance(outcome, Failed) else type(outcome).__name__.lower()
            self._reads[label] += 1
            if ref in self._keys:
                self._due[ref] = now + self._pause_after(ref, outcome)
                before = self._keys[ref].serials
                self._change(ref, partial(after, outcome=outcome, now=now))
                fruitful = self._keys[ref].serials != before
                if ref in self._demanded or fruitful:
                    asked_before = self._demand.get(ref, Demand())
                    self._demand[ref] = asked_before.asked(now, fruitful=fruitful)
            asked = self._demanded.pop(ref, None)
            if asked is not None and not asked.done():
                asked.set_result(None)

    def _pause_after(self, ref: KeyRef, outcome: Outcome) -> float:
        """Seconds until the key is asked for again."""
        poll, chance = self.settings.poll, self._clocks.random()
        if isinstance(outcome, Failed):
            return retry_pause(self._failures, poll, chance)
        if isinstance(outcome, Denied) and not self._keys[ref].serials:
            # Of a new path the gateway may hear before Vault has heard of the gateway.
            self._early[ref] += 1
            return min(retry_pause(self._early[ref], poll, chance), poll)
        return poll_pause(poll, chance)

    def _may_ask(self, login: Login | None) -> bool:
        return login is not None and (self.settings.method is Method.TOKEN or bool(login.role))

    def _pause(self, reader: Reader) -> float:
        if not self._may_ask(self._login):
            return IDLE_SECONDS
        soonest = min((*self._due.values(), reader.renew_at), default=float("inf"))
        return min(max(soonest - self._clocks.monotonic(), 0.0), IDLE_SECONDS)

    def _refuse(self, attempt: AttemptKey) -> Loan | None:
        loan = self._loans.refuse(attempt)
        if loan is not None:
            now = self._clocks.monotonic()
            self._change(loan.ref, lambda key: refused(key, loan.serial, now=now))
        return loan

    def _another(self, loan: Loan) -> bool:
        key = self._keys.get(loan.ref)
        held = usable(key, now=self._clocks.monotonic()) if key is not None else None
        return held is not None and held.serial != loan.serial

    def _ask_soon(self, ref: KeyRef) -> "asyncio.Future[None] | None":
        """Have this key read now, once for all who wait; None where that was just done."""
        if ref not in self._keys:
            return None
        if ref not in self._demanded:
            if self._clocks.monotonic() < self._demand.get(ref, Demand()).allowed_at:
                return None
            self._demanded[ref] = asyncio.get_running_loop().create_future()
            self._wake.set()
        return self._demanded[ref]

    def _change(self, ref: KeyRef, change: Callable[[Key], Key]) -> None:
        key = self._keys.get(ref)
        if key is None:
            return
        new = self._keys[ref] = change(key)
        if new.serials != key.serials and new.current is not None:
            log.info("event=key_read key=%s version=%d", shown(ref), new.current.version)
        elif new.standing is not key.standing:
            level = logging.INFO if new.standing is Standing.FRESH else logging.WARNING
            why = new.failed.what if new.failed else new.why
            log.log(level, "event=key_%s key=%s reason=%r", new.standing, shown(ref), why)
        if new.doubted_until != key.doubted_until and new.doubts:
            log.warning("event=key_doubted key=%s: the provider refuses a new version", shown(ref))
