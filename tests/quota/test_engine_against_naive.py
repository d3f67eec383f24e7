"""Random calls against the engine and against its description, which must agree at every step."""

import json
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule
from quota.building import KIND, limit
from quota.naive import Naive

from bailiwick_sidecar.quota.engine import Engine
from bailiwick_sidecar.quota.limits import CompiledLimits
from bailiwick_sidecar.quota.model import (
    Amounts,
    AttemptKey,
    Caller,
    Denial,
    Grant,
    LimitState,
    Reservation,
)

# 2026-03-28, 22:30 in Berlin: within reach of days to come are a change of clocks, a turn of the
# month, and the windows of all lengths.
START = 1_774_733_400_000

LIMITS = (
    limit("a-rps", KIND.REQUESTS_PER_SECOND, 3),
    limit("b-rpm", KIND.REQUESTS_PER_MINUTE, 2, each=["user"]),
    limit("c-tpm", KIND.TOKENS_PER_MINUTE, 100),
    limit("d-tpm", KIND.TOKENS_PER_MINUTE, 30, team="a", tier="premium"),
    limit("e-tpm", KIND.TOKENS_PER_MINUTE, 60, each=["team", "route"], unless=[{"user": "bot"}]),
    limit("f-shadow", KIND.TOKENS_PER_MINUTE, 10, shadow=True, each=["user"]),
    limit("g-conc", KIND.CONCURRENT_REQUESTS, 3),
    limit("h-conc", KIND.CONCURRENT_REQUESTS, 1, each=["user"], unless=[{"tier": "premium"}]),
    limit("i-month", KIND.TOKENS_PER_MONTH, 400),
    limit("j-day", KIND.BUDGET_DAY, 60, team="a"),
    limit("k-month", KIND.BUDGET_MONTH, 150),
    limit("l-day", KIND.BUDGET_DAY, 40, each=["user"]),
)
CALLERS = [
    Caller(team, "", user, route, tier)
    for team in ("a", "b")
    for user in ("ann", "bot", "")
    for route, tier in (("fast", "shared"), ("smart", "premium"))
]
DAY = 86_400_000
FORWARD = st.one_of(
    st.sampled_from([0, 1, 999, 1000, 59_999, 60_000, 60_001, 3_600_000, DAY, 20 * DAY]),
    st.integers(0, 2_000),
    st.integers(0, 30_000),
)
TOKENS = st.one_of(*[st.integers(0, 30)] * 3, st.sampled_from([0, 31, 60, 61, 101]))
COST = st.one_of(st.just(0), st.integers(0, 20), st.integers(0, 61))
EDITED = st.one_of(*[st.integers(20, 200)] * 5, st.integers(0, 3))
AMOUNTS = st.builds(Amounts, TOKENS, COST)


def tightest(states: tuple[LimitState, ...]) -> tuple[LimitState, ...]:
    """Of the request limits, then of the token limits: the one with the smallest share left."""
    found = []
    for kinds in (
        (KIND.REQUESTS_PER_SECOND, KIND.REQUESTS_PER_MINUTE),
        (KIND.TOKENS_PER_MINUTE, KIND.TOKENS_PER_MONTH),
    ):
        enforced = [one for one in states if one.kind in kinds and not one.shadow]
        found += sorted(enforced, key=lambda one: one.remaining / max(one.limit, 1))[:1]
    return tuple(found)


class EngineMachine(RuleBasedStateMachine):
    """Every rule does the same to both, and compares what they say."""

    keys = Bundle("keys")

    def __init__(self) -> None:
        super().__init__()
        self.limits = LIMITS
        self.engine = Engine(CompiledLimits(LIMITS), "Europe/Berlin", max_callers=5)
        self.naive = Naive(list(LIMITS), "Europe/Berlin")
        self.now = START
        self.set_back = 0
        self.number = 0
        self.loaded = {"reserved": 0, "settled": 0, "voided": 0, "expired": 0}
        self.comparable = True

    @rule(step=FORWARD)
    def time_passes(self, step: int) -> None:
        self.now += step

    @rule(step=st.integers(1, 1000))
    def a_late_reading(self, step: int) -> None:
        """A caller read the clock before another one did."""
        self.naive.tick(self.now - step)
        self.engine.expire(self.now - step)

    @precondition(lambda self: self.set_back < 2)
    @rule(step=st.integers(1001, 36 * 3_600_000))
    def the_clock_is_set_back(self, step: int) -> None:
        self.set_back += 1
        self.now -= step

    @rule(
        target=keys,
        caller=st.sampled_from(CALLERS),
        amounts=AMOUNTS,
        ttl=st.sampled_from([1, 500, 60_000, 600_000]),
        late=st.integers(0, 1) | st.just(0),
    )
    def reserve(self, caller: Caller, amounts: Amounts, ttl: int, late: int) -> AttemptKey:
        self.number += 1
        key = (f"s{self.number}", 1)
        self.ask(Reservation(key, caller, amounts, self.now + ttl), self.now - late)
        return key

    @rule(
        target=keys,
        predecessor=keys,
        caller=st.sampled_from(CALLERS),
        amounts=AMOUNTS,
    )
    def try_again(self, predecessor: AttemptKey, caller: Caller, amounts: Amounts) -> AttemptKey:
        """A further attempt takes over the lease of the one before, also on another tier."""
        self.number += 1
        key = (f"s{self.number}", predecessor[1] + 1)
        self.ask(Reservation(key, caller, amounts, self.now + 60_000, predecessor), self.now)
        return key

    def ask(self, reservation: Reservation, now: int) -> None:
        self.naive.tick(now)
        refusing = self.naive.refusing(reservation)
        fits_at = self.naive.first_fit(reservation, refusing) if refusing else None

        answer = self.engine.reserve(reservation, now)

        if refusing:
            assert isinstance(answer, Denial), f"granted over {refusing}"
            assert refusing == {state.limit_id for state in answer.limits}
            assert fits_at == answer.retry_after
        else:
            assert isinstance(answer, Grant), f"refused by {answer.limits}"
            self.naive.take(reservation)
        if isinstance(answer, Denial):
            self.compare(reservation.caller, answer.states)
        else:
            states = self.engine.states(reservation.caller, self.now)
            self.compare(reservation.caller, states)
            assert answer.tightest == tightest(states)

    @rule(key=keys, actual=AMOUNTS)
    def settle(self, key: AttemptKey, actual: Amounts) -> None:
        """Open or closed, once or again: the second time changes nothing."""
        self.naive.tick(self.now)
        assert self.naive.settle(key, actual) == self.engine.settle(key, actual, self.now)
        assert self.engine.settle(key, actual, self.now) == 0

    @rule(key=keys)
    def void(self, key: AttemptKey) -> None:
        self.naive.tick(self.now)
        self.naive.void(key)
        self.engine.void(key, self.now)
        self.engine.void(key, self.now)

    @rule(key=keys)
    def release(self, key: AttemptKey) -> None:
        self.naive.tick(self.now)
        event = self.naive.find(key)
        self.comparable = self.comparable and event is None
        self.naive.release(key)
        self.engine.release(key, self.now)

    @rule()
    def expire(self) -> None:
        self.naive.tick(self.now)
        self.engine.expire(self.now)

    @rule(which=st.integers(0, len(LIMITS) - 1), amount=EDITED)
    def an_amount_is_edited(self, which: int, amount: int) -> None:
        edited = list(self.limits)
        edited[which] = replace(edited[which], amount=amount)
        self.limits = tuple(edited)
        self.naive.limits = edited
        self.engine.reload(CompiledLimits(edited))

    @rule()
    def restart_from_a_checkpoint(self) -> None:
        """A checkpoint, as the journal keeps it, continues where the engine was."""
        text = json.dumps(self.engine.dump())
        totals = self.engine.totals
        for name in ("settled", "voided", "expired"):
            self.loaded[name] += getattr(totals, name)
        again = Engine(CompiledLimits(self.limits), "Europe/Berlin", max_callers=5)
        again.load(json.loads(text))
        assert json.loads(text) == json.loads(json.dumps(again.dump()))
        self.engine = again

    @precondition(lambda self: self.comparable and not self.set_back)
    @rule()
    def a_journal_rebuilds_it(self) -> None:
        """An engine that is given what was admitted and not voided says the same."""
        self.naive.tick(self.now)
        self.engine.expire(self.now)
        again = Engine(CompiledLimits(self.limits), "Europe/Berlin")
        again.restore(
            (
                event.reservation,
                event.wall,
                Amounts(event.tokens, event.cost) if event.state == "settled" else None,
            )
            for event in reversed(self.naive.events)
            if event.state != "voided"
        )
        for caller in CALLERS:
            states = self.engine.states(caller, self.now)
            # A lease that an attempt took over can't be told where that attempt was voided.
            voided = any(event.state == "voided" for event in self.naive.events)
            assert [s for s in states if not (voided and "conc" in s.limit_id)] == [
                s for s in again.states(caller, self.now) if not (voided and "conc" in s.limit_id)
            ]

    @invariant()
    def both_say_the_same(self) -> None:
        self.naive.tick(self.now)
        for caller in CALLERS:
            self.compare(caller, self.engine.states(caller, self.now))

    @invariant()
    def nothing_is_lost(self) -> None:
        """Reserved = settled + voided + expired + pending."""
        tokens = dict.fromkeys(("pending", "settled", "voided", "expired"), 0)
        for event in self.naive.events:
            tokens[event.state] += event.reserved
        totals = self.engine.totals
        assert tokens["settled"] == totals.settled + self.loaded["settled"]
        assert tokens["voided"] == totals.voided + self.loaded["voided"]
        assert tokens["expired"] == totals.expired + self.loaded["expired"]
        assert tokens["pending"] == (
            totals.reserved - totals.settled - totals.voided - totals.expired
        )
        assert self.engine.pending == sum(e.state == "pending" for e in self.naive.events)

    def compare(self, caller: Caller, states: tuple[LimitState, ...]) -> None:
        at, wall = self.naive.time()
        expected = {
            found.id: (self.naive.used(found, caller, at, wall), found.amount)
            for found in self.naive.applying(caller)
        }
        assert expected == {state.limit_id: (state.used, state.limit) for state in states}
        assert all(state.used == 0 or state.resets_at > wall for state in states)


EngineMachine.TestCase.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
TestEngineAgainstNaive = EngineMachine.TestCase
