"""One attempt from "may I" to "written down": price, reservation, journal, in this order."""

from collections.abc import Callable
from typing import Final

import msgspec

from bailiwick_contract.rating import RateTuple, upper_bound
from bailiwick_contract.tiers import Terms, bound
from bailiwick_sidecar.accounting.errors import JournalUnwritableError
from bailiwick_sidecar.accounting.model import Intent
from bailiwick_sidecar.admission.body import Ask
from bailiwick_sidecar.admission.errors import RefusedError, refused
from bailiwick_sidecar.admission.identity import Identity
from bailiwick_sidecar.admission.limits import MONEY, denied
from bailiwick_sidecar.admission.operations.images import image_terms
from bailiwick_sidecar.admission.ports import Accounts
from bailiwick_sidecar.admission.tables import Place, Tables, Way
from bailiwick_sidecar.key_marks import NO_KEY, KeyMark
from bailiwick_sidecar.quota.model import (
    Amounts,
    AttemptKey,
    Caller,
    Denial,
    Grant,
    QuotaStore,
    QuotaUnavailableError,
    Reservation,
)

SLACK_MS: Final = 30_000
"""How long after its route's timeout an attempt's lease ends by itself."""
RETRY_SOON: Final = 1
FREE: Final[RateTuple] = (0, 0, 0, 0, 0, 0, 0)

Clock = Callable[[], int]
"""Milliseconds since the epoch."""


class Wanted(msgspec.Struct, frozen=True):
    """One attempt of one call at one place."""

    key: AttemptKey
    identity: Identity
    ask: Ask
    way: Way
    place: Place
    mark: KeyMark = NO_KEY
    """Of the key that it leaves with."""

    @property
    def caller(self) -> Caller:
        """The dimensions that limits look at."""
        who = self.identity
        return Caller(who.team, who.project, who.user, self.way.name, self.place.tier)

    @property
    def cap(self) -> int:
        """Output tokens per choice at this place; 0: no output."""
        return self.ask.output_cap(
            route_max=self.way.max_output,
            route_default=self.way.default_output,
            model_max=self.place.max_output,
        )

    def intent(self, now: int) -> Intent:
        """What the attempt may take at most, as it is written down."""
        ask, place, what = self.ask, self.place, self.ask.what
        price = place.prices.at(now)
        rates = price.rates if price else FREE
        input_bound = ask.input_bound(place.context) or 0
        output_bound = self.cap * what.n
        flat = what.flat
        asked = what.service_tier
        other = price.tiers if price and asked is not None else ()
        if what.echo:
            output_bound += input_bound * what.n
        elif what.images:
            rates, output_bound, flat = image_terms(
                rates, price.per_image if price else 0, images=what.images, most=place.max_output
            )
        cost = 0
        if other:
            terms = Terms(rates, other, asked or "")
            cost = bound(terms, input_bound=input_bound, output_bound=output_bound).cost
        elif price:
            cost = upper_bound(rates, input_bound=input_bound, output_bound=output_bound)
        return Intent(
            key=self.key,
            admitted_at=now,
            deadline=now + self.way.request_ms + SLACK_MS,
            caller=self.caller,
            cost_center=self.identity.cost_center,
            tags=ask.tags,
            backend=place.name,
            provider=place.provider,
            model=place.model,
            alias=ask.alias,
            operation=ask.operation,
            stream=what.stream,
            input_bound=input_bound,
            output_bound=output_bound,
            cost_bound=cost,
            price_source=price.source if price else "",
            rates=rates,
            protocol=ask.protocol,
            flat=flat,
            service_tier=(asked or "") if other else "",
            tiers=other,
            provider_key=self.mark.name,
            provider_key_id=self.mark.id,
        )


class Reserver:
    """Takes reservations and writes intents; refuses with what the caller will read."""

    def __init__(self, *, store: QuotaStore, accounts: Accounts, clock: Clock) -> None:
        self._store = store
        self._accounts = accounts
        self._clock = clock

    async def reserve(
        self, wanted: Wanted, *, tables: Tables, predecessor: AttemptKey | None = None
    ) -> tuple[Intent, Grant]:
        """The attempt's intent, reserved and journalled.

        Raises:
            RefusedError: a limit denies it, the counters are away, or the journal cannot be
                written; then nothing stays reserved.
        """
        intent = wanted.intent(self._clock())
        answer = await self._ask(_reservation(intent, predecessor), intent.admitted_at)
        if isinstance(answer, Denial) and answer.retry_after is not None:
            # What would make it fit may stand in a record that Envoy has not flushed yet.
            await self._accounts.caught_up()
            intent = wanted.intent(self._clock())
            answer = await self._ask(_reservation(intent, predecessor), intent.admitted_at)
        if isinstance(answer, Denial):
            now = self._clock()
            raise RefusedError(
                denied(answer, amounts=_amounts(intent), currency=tables.currency, now=now)
            )
        # The books name the moment at which the counters took it, which may be a while after it was
        # asked for: a restart, which knows the books alone, puts it back there.
        intent = msgspec.structs.replace(intent, admitted_at=answer.at)
        try:
            await self._accounts.open(intent)
        except JournalUnwritableError as error:
            await self._store.void(intent.key, self._clock())
            raise refused("accounting_unavailable", retry_after=RETRY_SOON) from error
        return intent, answer

    async def _ask(self, reservation: Reservation, now: int) -> Grant | Denial:
        try:
            return await self._store.reserve(reservation, now)
        except QuotaUnavailableError as error:
            raise refused("quota_store_unavailable", retry_after=RETRY_SOON) from error

    async def needs_price(self, caller: Caller) -> bool:
        """True where an enforced budget applies to this caller."""
        states = await self._store.states(caller, self._clock())
        return any(state.kind in MONEY and not state.shadow for state in states)


def _reservation(intent: Intent, predecessor: AttemptKey | None) -> Reservation:
    return Reservation(
        key=intent.key,
        caller=intent.caller,
        amounts=_amounts(intent),
        deadline=intent.deadline,
        predecessor=predecessor,
    )


def _amounts(intent: Intent) -> Amounts:
    return Amounts(intent.input_bound + intent.output_bound, intent.cost_bound)
