"""One replica's side of a shared store: what it tells, what it asks for, what it does with answers.

Pure, as the engine is: messages are values, the clock is a parameter. Whatever is said of a counter
is said in full (all that this replica used there, all that it holds), so that a message which is
lost, late or doubled is put right by the next one.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from bailiwick_sidecar.quota.counter import Counter
from bailiwick_sidecar.quota.engine import Engine, Refusing
from bailiwick_sidecar.quota.messages import Answer, Ask, CounterNews, Message, Missing, Reply
from bailiwick_sidecar.quota.model import Caller, Denial, Grant, LimitKind, Reservation
from bailiwick_sidecar.quota.plans import Plan
from bailiwick_sidecar.quota.shared import (
    Alone,
    Among,
    SharedCounter,
    SharedLeases,
    SharedWindow,
)

SHARE_MS: Final = 200
"""How long a share may be taken from."""
MARGIN_MS: Final = 2_000
"""How much longer the store keeps it, for the report of what was taken to arrive."""
FLUSH_MS: Final = 200
"""How often the store is told what was used, where no limit is near."""
HURRY_MS: Final = 20
"""The same while somebody was refused lately."""
HEARTBEAT_MS: Final = 200
"""How often a replica says that it is there, and has nothing to give back."""
MOST_COUNTERS: Final = 256
"""Counters in one message, beyond those that are asked for."""
SOON_MS: Final = 120
"""As wide as a bucket, and a little."""
LEASES_TRUSTED_MS: Final = 3_600_000


class Refused(NamedTuple):
    """Refused at this moment.

    `held`: another replica holds some of it, and may give it back. `heard` is since when all others
    have spoken, `freed` when one of them last gave something back.
    """

    refusing: Refusing
    held: bool
    at: int
    heard: int
    freed: int
    soon: int | None
    """When windows make room (wall ms), where that is about as soon as their buckets are wide."""


class Promised(NamedTuple):
    """Granted: whoever asked has to `accept` or `decline` it, once."""

    reservation: Reservation
    parts: tuple[tuple[SharedCounter, int], ...]


class Again(NamedTuple):
    """Nothing was decided: ask again, at once or after a while."""

    wait: bool


Verdict = Promised | Denial | Refused | Again


class Lessee:
    """Decides by shares, and says what has to be said to the store.

    `among` is what the engine's counters have in common (`shared.counter_maker`).
    """

    def __init__(self, engine: Engine, among: Among, *, first_sequence: int = 0) -> None:
        self.engine = engine
        self.live = 1
        self.hungry = False
        self._among = among
        self._sequence = first_sequence
        self._acked = 0
        self._epoch = ""
        self._told_at = 0
        self._holding: set[SharedCounter] = set()
        self.loss, self.missing = "", Missing.NOTHING
        """What the store lacks, as last heard, and of which loss."""
        self.met = False
        """True once a store has answered that knew of everybody."""
        self.losses = 0
        """How often a store had lost what this replica had told it."""

    def flush_due(self, now: int) -> bool:
        """True where the store has to be told something by now."""
        at = self.engine.at(now).at
        over = [counter for counter in self._holding if at >= counter.share.until]
        for counter in over:
            self._holding.discard(counter)
            if counter.share.held:
                counter.share.drop()
                counter.retell()
        if not self._among.news:
            return False
        return at - self._told_at >= (HURRY_MS if self.hungry else FLUSH_MS)

    def silent(self, now: int) -> bool:
        """True where the store has not heard of this replica for a while."""
        pause = HURRY_MS if self.hungry else HEARTBEAT_MS
        return self.engine.at(now).at - self._told_at >= pause

    @property
    def sequence(self) -> int:
        """How many messages there were."""
        return self._sequence

    @property
    def has_news(self) -> bool:
        """True where the store does not know everything."""
        return bool(self._among.news)

    def holding(self) -> tuple[SharedCounter, ...]:
        """The counters of which this replica has a share."""
        return tuple(self._holding)

    def tell_everything(self) -> None:
        """Have the next messages say all that this replica uses."""
        for counter in self._shared():
            counter.retell()

    def listen(self, caller: Caller, now: int) -> None:
        """Have the next message ask how this caller's counters stand."""
        for counter in self.engine.meet(caller, now):
            if isinstance(counter, SharedCounter):
                if not counter.share.held:  # stays until the answer is there
                    counter.share.until = self.engine.moment.at + SHARE_MS
                counter.tell()

    @property
    def behind(self) -> bool:
        """True where more news waits than one message takes."""
        return len(self._among.news) > MOST_COUNTERS

    def prepare(
        self, wanted: Iterable[Reservation], now: int
    ) -> tuple[Message, list[tuple[Reservation, Verdict]]]:
        """The next message, and the verdicts on those that need none.

        Shares of the counters that are asked for are given up with it, so that the store decides
        with all there is.
        """
        moment = self.engine.at(now)
        self._sequence += 1
        message = Message(self._sequence, self._acked, moment.at)
        places: dict[SharedCounter, int] = {}
        decided: list[tuple[Reservation, Verdict]] = []
        for reservation in wanted:
            found = self.engine.look(reservation, now)
            if isinstance(found, Plan):
                decided.append((reservation, Again(wait=False)))
            elif isinstance(found, Denial):
                decided.append((reservation, found))
            elif any(amount > counter.cap for counter, amount in found.counters):
                decided.append((reservation, self.engine.denial(found)))
            else:
                self._ask(message, places, reservation, found.plan)
        news, self._among.news = self._among.news, []
        for counter in news:
            if counter in places:
                continue
            if len(message.counters) > MOST_COUNTERS:
                self._among.news.append(counter)
            elif counter.share.dirty:
                self._add(message, places, counter)
        return message, decided

    def apply(self, message: Message, reply: Reply, now: int) -> list[Verdict]:
        """Take the reply in; the verdict on each ask, in their order."""
        at = self.engine.at(now).at
        if (self._epoch and reply.epoch != self._epoch) or reply.last < self._acked:
            self.losses += 1
            for counter in self._shared():
                counter.share.drop()  # a store that forgot it gives it to others
                counter.retell()
        self._epoch, self._acked = reply.epoch, message.sequence
        self.loss, self.missing = reply.loss, reply.missing
        self.met = self.met or not reply.waiting
        self.live = max(1, reply.live)
        self._told_at = at
        self.hungry = any(standing.hungry for standing in reply.standings)
        for ask, answer in zip(message.asks, reply.answers, strict=True):
            if answer.granted:
                for place, amount in ask.needs:
                    message.counters[place].counter.share.promised += amount
        for news, standing in zip(message.counters, reply.standings, strict=True):
            share = news.counter.share
            share.asked, share.heard = False, at
            # Until all have spoken it knows less than was known before.
            known = share.others_at(at) if reply.waiting else 0
            share.others = max(known, standing.used - news.own)
            share.others_hold = min(standing.held, share.others)
            share.others_until = self._counts_until(news.counter, at)
            if news.asked:
                share.given(standing.extra, message.sent_at + SHARE_MS)
                if share.held:
                    self._holding.add(news.counter)
        return [
            self._verdict(message, reply, ask, answer)
            for ask, answer in zip(message.asks, reply.answers, strict=True)
        ]

    def accept(self, promised: Promised, now: int) -> Grant:
        """Take what was promised."""
        for counter, amount in promised.parts:
            counter.share.promised -= amount
            counter.share.held += amount
        return self.engine.take(promised.reservation, now)

    def decline(self, promised: Promised) -> None:
        """Give back what was promised: nobody waits for it any more."""
        for counter, amount in promised.parts:
            counter.share.promised -= amount
            counter.retell()

    def lost(self, message: Message) -> None:
        """No reply came: say it all again, since nobody knows whether it was heard."""
        for news in message.counters:
            news.counter.share.asked = False
            news.counter.share.drop()
            news.counter.retell()

    def stand_alone(self, *, allow: bool, now: int) -> None:
        """Decide without the store from here on: everything, or this replica's part of the rest."""
        self._among.alone = Alone(self.live, allow=allow)
        self.engine.at(now)
        for counter in self._shared():
            counter.share.drop()
            counter.fall_back()

    def stand_together(self) -> None:
        """The store is back: it hears everything, and decides again."""
        self._among.alone = None
        for counter in self._shared():
            counter.share.ceiling = None
            counter.retell()

    def _shared(self) -> Iterator[SharedCounter]:
        for counter in self.engine.counters():
            assert isinstance(counter, SharedCounter)
            yield counter

    def renumber(self, last: int) -> None:
        """Go on after a message that the store has from this replica already."""
        self._sequence = max(self._sequence, last)

    # --- parts of the above ---

    def _ask(
        self,
        message: Message,
        places: dict[SharedCounter, int],
        reservation: Reservation,
        plan: Plan,
    ) -> None:
        measures = (1, reservation.amounts.tokens, reservation.amounts.cost)
        needs: list[tuple[int, int]] = []
        for counter, measure, _ in plan.charges:
            needs.append((self._place(message, places, counter), measures[measure]))
        for lease in plan.leases:
            takes_over = lease.holds(reservation.predecessor)
            needs.append((self._place(message, places, lease), 0 if takes_over else 1))
        for place, amount in needs:
            news = message.counters[place]
            news.asked += amount
            news.wanted = 0 if news.counter.limit.shadow else news.counter.share.wanted(amount)
        message.asks.append(Ask(reservation, plan, tuple(needs)))

    def _place(self, message: Message, places: dict[SharedCounter, int], counter: object) -> int:
        assert isinstance(counter, SharedCounter)
        place = places.get(counter)
        if place is None:
            counter.share.drop()
            counter.share.asked = True
            place = self._add(message, places, counter)
        return place

    def _add(
        self, message: Message, places: dict[SharedCounter, int], counter: SharedCounter
    ) -> int:
        share = counter.share
        held = share.promised + (share.held if message.sent_at < share.until else 0)
        places[counter] = place = len(message.counters)
        message.counters.append(CounterNews(counter, held, counter.own(), counter.reports()))
        counter.changed.clear()
        share.dirty = False
        return place

    def _counts_until(self, counter: SharedCounter, at: int) -> int:
        moment = self.engine.moment
        if isinstance(counter, SharedWindow):
            return at + counter.length
        if isinstance(counter, SharedLeases):
            return at + LEASES_TRUSTED_MS
        calendar = moment.calendar
        day = counter.limit.kind is LimitKind.BUDGET_DAY
        return (calendar.day_end if day else calendar.month_end) + moment.shift

    def _verdict(self, message: Message, reply: Reply, ask: Ask, answer: Answer) -> Verdict:
        if answer.granted:
            counters = message.counters
            parts = tuple((counters[place].counter, amount) for place, amount in ask.needs)
            return Promised(ask.reservation, parts)
        if answer.wait:
            return Again(wait=True)
        amounts = dict(ask.needs)
        refusing: list[tuple[Counter, int]] = []
        held, freed = True, reply.at
        soon: int | None = 0
        for place, room_at in answer.refusing:
            counter, standing = message.counters[place].counter, reply.standings[place]
            counter.share.waits = room_at if room_at >= 0 else None
            refusing.append((counter, amounts[place]))
            held = held and standing.held > 0
            freed = min(freed, standing.freed)
            near = isinstance(counter, SharedWindow) and 0 <= room_at - reply.wall <= SOON_MS
            soon = max(soon, room_at) if near and soon is not None else None
        return Refused(Refusing(ask.plan, refusing), held, reply.at, reply.heard, freed, soon)
