"""Keeps Vault as the tenants want it, beside the work on their namespaces: it never waits for it.

Each tenant is a key of a work queue of its own, so that a Vault that hangs or refuses delays no
config; what came of it is the Tenant's condition `VaultGranted`.
"""

import asyncio
import math
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_operator.conditions import Reason, Status
from bailiwick_operator.vault.admin import (
    Held,
    RoleTakenError,
    VaultAdmin,
    VaultAdminError,
    VaultRefusesError,
)
from bailiwick_operator.vault.grant import Grant, NothingToGrantError, Trust, grant
from bailiwick_operator.work import Pace, WorkQueue

SWEEP: Final = ""
"""The queue's key for what tenants left behind that went while nobody looked."""


@dataclass(frozen=True, slots=True)
class Word:
    """How a tenant's grant stands."""

    status: Status
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class _Wish:
    given: Grant | None
    shrink: bool


class VaultKeeper:
    """The tenants' grants; every method is the event loop's, Vault itself a thread's."""

    def __init__(
        self,
        admin: VaultAdmin,
        *,
        cluster: str,
        trust: Trust,
        tenants: Callable[[], Collection[str]],
        changed: Callable[[str], None],
        pace: Pace,
    ) -> None:
        """`tenants` names all that there are; `changed` hears of whose grant another word is."""
        self._admin = admin
        self._cluster = cluster
        self._trust = trust
        self._tenants = tenants
        self._changed = changed
        self._wishes: dict[str, _Wish] = {}
        self._held: dict[str, set[Held]] = {}
        self._words: dict[str, Word] = {}
        self._swept = False
        self._queue = WorkQueue(
            self._handle,
            pace=pace,
            rng=random.Random(),  # noqa: S311 - spreads load, protects nothing
        )
        self._queue.open()

    async def run(self) -> None:
        """Work until cancelled."""
        await self._queue.run()

    def want(self, tenant: str, configs: Sequence[TenantConfig], *, shrink: bool) -> None:
        """The gateways of these configs may read their keys.

        Without `shrink` nothing is taken away: a gateway may still serve an older config.
        """
        try:
            given = grant(configs, self._trust)
        except NothingToGrantError:
            given = None
        wish = _Wish(given, shrink)
        if self._wishes.get(tenant) != wish:
            self._wishes[tenant] = wish
            self._queue.add(tenant)
        if not self._swept:
            self._swept = True
            self._queue.add(SWEEP)

    def gone(self, tenant: str) -> None:
        """There is no such tenant any more: its gateways may read nothing."""
        self._wishes.pop(tenant, None)
        self._words.pop(tenant, None)
        self._queue.add(tenant)

    def word(self, tenant: str) -> Word | None:
        """How the tenant's grant stands; None where it reads no key."""
        return self._words.get(tenant)

    async def _handle(self, key: str) -> float | None:
        if key == SWEEP:
            await self._sweep()
            return math.inf
        wish = self._wishes.get(key)
        if wish is None or wish.given is None:
            await self._take_back(key, wish)
            return None if wish is None else math.inf
        held = Held(wish.given.tenant, wish.given.auth_mount, wish.given.role)
        try:
            await asyncio.to_thread(
                self._admin.apply, wish.given, cluster=self._cluster, shrink=wish.shrink
            )
            self._held.setdefault(key, set()).add(held)
            others = self._held[key] - {held}
            if others and wish.shrink:
                await asyncio.to_thread(self._admin.remove, others, cluster=self._cluster)
                self._held[key] = {held}
        except VaultAdminError as error:
            self._say(key, Word(Status.FALSE, _reason(error), f"{error}."))
            raise
        paths = len(wish.given.paths)
        self._say(
            key,
            Word(
                Status.TRUE,
                Reason.GRANTED,
                f"Role {held.role} at {held.auth_mount} reads"
                f" {paths} path{'' if paths == 1 else 's'} of Vault.",
            ),
        )
        return math.inf

    async def _take_back(self, tenant: str, wish: _Wish | None) -> None:
        held = self._held.get(tenant)
        if wish is not None and not wish.shrink:
            return
        if held:
            await asyncio.to_thread(self._admin.remove, held, cluster=self._cluster)
            del self._held[tenant]
        elif wish is None:
            # Written before this process began.
            self._queue.add(SWEEP)
        if self._words.pop(tenant, None) is not None and wish is not None:
            self._changed(tenant)

    async def _sweep(self) -> None:
        known = {one.role for held in self._held.values() for one in held}
        found = await asyncio.to_thread(self._admin.held, cluster=self._cluster, known=known)
        left = {one for one in found if self._is_left(one)}
        if left:
            await asyncio.to_thread(self._admin.remove, left, cluster=self._cluster)

    def _is_left(self, held: Held) -> bool:
        if held.tenant not in self._tenants():
            return True
        wish = self._wishes.get(held.tenant)
        if wish is None or not wish.shrink:
            return False
        given = wish.given
        return given is None or (given.auth_mount, given.role) != (held.auth_mount, held.role)

    def _say(self, tenant: str, word: Word) -> None:
        if tenant in self._wishes and self._words.get(tenant) != word:
            self._words[tenant] = word
            self._changed(tenant)


def _reason(error: VaultAdminError) -> Reason:
    match error:
        case RoleTakenError():
            return Reason.ROLE_TAKEN
        case VaultRefusesError():
            return Reason.VAULT_REFUSES
        case _:
            return Reason.VAULT_UNAVAILABLE
