"""Several replicas and a store, simulated: what is lost, late or doubled, and who dies.

The store is a few lines that say what `sync.lua` has to do; the real one has tests of its own. The
replicas' side is the real one. Time is a number. A failing run prints its steps and its seed.
"""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from quota.building import KIND, NOW, ask

from bailiwick_sidecar.quota.engine import Engine
from bailiwick_sidecar.quota.lessee import MARGIN_MS, SHARE_MS, Again, Lessee, Promised, Refused
from bailiwick_sidecar.quota.limits import CompiledLimit, CompiledLimits
from bailiwick_sidecar.quota.messages import Answer, Message, Reply, Standing
from bailiwick_sidecar.quota.model import Amounts, AttemptKey, Grant, Reservation
from bailiwick_sidecar.quota.moment import Moment
from bailiwick_sidecar.quota.shared import Among, counter_maker

CAP = 1_000
REPLICAS = 3
LIMITS = CompiledLimits([CompiledLimit("t#month", KIND.TOKENS_PER_MONTH, CAP, tenant_wide=True)])


@dataclass
class Store:
    """The counter of one month: what each has used, what each holds and until when."""

    epoch: str = "e0"
    used: dict[int, int] = field(default_factory=dict)
    held: dict[int, tuple[int, int]] = field(default_factory=dict)
    last: dict[int, int] = field(default_factory=dict)
    told: set[int] = field(default_factory=set)
    complete: bool = True

    def total(self, now: int) -> int:
        held = sum(amount for amount, until in self.held.values() if until > now)
        return sum(self.used.values()) + held

    def hear(self, who: int, message: Message, now: int) -> Reply | int:
        last = self.last.get(who, 0)
        if message.sequence <= last:
            return last
        if message.acked > last:
            self.complete, self.told = False, set()
        self.last[who] = message.sequence
        standings, answers = [], []
        room = None
        for news in message.counters:
            for _, amount in news.reports:
                self.used[who] = amount
            _, until = self.held.get(who, (0, 0))
            self.held[who] = (news.held if until > now else 0, until)
            room = news
        self.told.add(who)
        self.complete = self.complete or len(self.told) == REPLICAS
        for one in message.asks:
            ((_, amount),) = one.needs
            if not self.complete:
                answers.append(Answer(granted=False, wait=True))
            elif self.total(now) + amount <= CAP:
                self.hold(who, amount, now)
                answers.append(Answer(granted=True))
            else:
                answers.append(Answer(granted=False, refusing=((0, -1),)))
        if room is not None:
            own, until = self.held[who]
            seen = self.total(now) - (own if until > now else 0)
            left = CAP - self.total(now)
            extra = min(room.wanted, max(0, left) // 2) if self.complete else 0
            if extra:
                self.hold(who, extra, now)
            standings.append(Standing(seen, extra, hungry=False, held=0, freed=0))
        return Reply(
            wall=now, at=now, epoch=self.epoch, last=last, live=REPLICAS,
            waiting=not self.complete, heard=now, standings=standings, answers=answers,
        )  # fmt: skip

    def hold(self, who: int, amount: int, now: int) -> None:
        own, until = self.held.get(who, (0, 0))
        self.held[who] = (
            (own if until > now else 0) + amount,
            now + SHARE_MS + MARGIN_MS,
        )

    def lose_everything(self, name: str) -> None:
        self.epoch = name
        self.used, self.held, self.last, self.told = {}, {}, {}, set()
        self.complete = False


class Replica:
    def __init__(self, sequence: int = 0) -> None:
        moment = Moment("UTC")
        self.among = Among(moment)
        self.engine = Engine(LIMITS, "UTC", make=counter_maker(self.among), moment=moment)
        self.lessee = Lessee(self.engine, self.among, first_sequence=sequence)
        self.open: dict[AttemptKey, int] = {}
        self.settled = 0

    @property
    def used(self) -> int:
        return self.settled + sum(self.open.values())


class SeveralReplicas(RuleBasedStateMachine):
    """Nothing beyond the cap while all live; nothing lost and nothing twice whatever happens."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.store = Store()
        self.replicas = [Replica() for _ in range(REPLICAS)]
        self.late: list[tuple[int, Message]] = []
        self.number = 0
        self.stale_share = False
        """True once a replica died with, or outlived, what the store kept for it."""

    def exchange(self, who: int, wanted: list[Reservation], *, lose: str = "") -> None:
        replica = self.replicas[who]
        message, _ = replica.lessee.prepare(wanted, self.now)
        reply = None if lose == "request" else self.store.hear(who, message, self.now)
        if lose == "request":
            self.late.append((who, message))
        if reply is None or lose == "reply":
            replica.lessee.lost(message)
            return
        if isinstance(reply, int):
            replica.lessee.lost(message)
            replica.lessee.renumber(reply)
            return
        for verdict in replica.lessee.apply(message, reply, self.now):
            assert isinstance(verdict, Promised | Again | Refused)
            if isinstance(verdict, Promised):
                replica.lessee.accept(verdict, self.now)
                key = verdict.reservation.key
                replica.open[key] = verdict.reservation.amounts.tokens

    @rule(
        who=st.integers(0, REPLICAS - 1),
        tokens=st.lists(st.integers(1, 300), min_size=1, max_size=4),
        lose=st.sampled_from(["", "", "", "request", "reply"]),
    )
    def reserve(self, who: int, tokens: list[int], lose: str) -> None:
        replica = self.replicas[who]
        asking = []
        for amount in tokens:
            self.number += 1
            wanted = ask(f"a{self.number}", tokens=amount, now=self.now)
            answer = replica.engine.decide(wanted, self.now)
            if isinstance(answer, Grant):
                replica.open[wanted.key] = amount
            else:
                asking.append(wanted)
        if asking:
            self.exchange(who, asking, lose=lose)

    @rule(who=st.integers(0, REPLICAS - 1), share=st.integers(0, 100))
    def settle(self, who: int, share: int) -> None:
        replica = self.replicas[who]
        if replica.open:
            key, amount = next(iter(replica.open.items()))
            del replica.open[key]
            replica.settled += amount * share // 100
            replica.engine.settle(key, Amounts(amount * share // 100, 0), self.now)
            replica.engine.settle(key, Amounts(amount, 0), self.now)  # told twice

    @rule(who=st.integers(0, REPLICAS - 1), lose=st.sampled_from(["", "request", "reply"]))
    def tell(self, who: int, lose: str) -> None:
        self.replicas[who].lessee.flush_due(self.now)
        self.exchange(who, [], lose=lose)

    @rule(ms=st.sampled_from([1, 30, 150, 250]))
    def time_passes(self, ms: int) -> None:
        """No further than a living replica's next report, which comes well within the margin."""
        self.now += ms
        for who, replica in enumerate(self.replicas):
            if replica.lessee.flush_due(self.now):
                self.exchange(who, [])

    @rule()
    @precondition(lambda self: self.late)
    def a_lost_message_arrives_late(self) -> None:
        who, message = self.late.pop()
        self.store.hear(who, message, self.now)

    @rule()
    def the_store_loses_everything(self) -> None:
        self.number += 1
        self.store.lose_everything(f"e{self.number}")
        self.late.clear()  # connections of before are gone with it
        for who in range(REPLICAS):
            self.exchange(who, [])
            self.exchange(who, [])

    @rule(who=st.integers(0, REPLICAS - 1))
    def a_replica_dies_and_starts_again(self, who: int) -> None:
        """Its journal has everything; it comes back before the store's margin is over."""
        old = self.replicas[who]
        fresh = Replica(sequence=0)
        fresh.engine.load(old.engine.dump())
        fresh.open, fresh.settled = old.open, old.settled
        self.replicas[who] = fresh
        self.exchange(who, [])  # the store knows a later message than its first
        self.exchange(who, [])

    @invariant()
    def the_cap_holds(self) -> None:
        assert sum(replica.used for replica in self.replicas) <= CAP

    @invariant()
    def own_books_are_right(self) -> None:
        for replica in self.replicas:
            states = replica.engine.all_states(self.now)
            own = sum(counter.own() for counter in replica.engine.counters())  # type: ignore[attr-defined]
            assert own == replica.used, tuple(states)

    def teardown(self) -> None:
        """Once all have spoken the store knows exactly what was used, and the rest is free."""
        self.late.clear()
        self.now += SHARE_MS + MARGIN_MS + 1
        for _ in range(2):
            for who, replica in enumerate(self.replicas):
                replica.lessee.tell_everything()
                self.exchange(who, [])
        used = sum(replica.used for replica in self.replicas)
        assert sum(self.store.used.values()) == used
        assert self.store.total(self.now) == used
        if used < CAP:
            before = len(self.replicas[0].open)
            self.exchange(0, [ask("last", tokens=CAP - used, now=self.now)])
            assert len(self.replicas[0].open) == before + 1


TestSeveralReplicas = SeveralReplicas.TestCase
TestSeveralReplicas.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
