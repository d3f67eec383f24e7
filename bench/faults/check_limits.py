"""No reservation exceeds a limit, and no refusal is false: recomputed from what callers saw.

The moment of a decision and of a settle are known within bounds only. So each counter has a least
and a most that it can have stood at, and a decision between the two is counted as undecided.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from itertools import accumulate
from typing import Final

from bench.faults.check_books import price
from bench.faults.evidence import Evidence, LimitRule, Row, Seen
from bench.faults.kinds import DEATHS
from bench.faults.timeline import Timeline
from bench.faults.verdict import Verdict

EDGE_S: Final = 0.005
"""Between two readings of a clock in one decision."""
WINDOWS: Final = {
    "requests_per_second": 1.0,
    "requests_per_minute": 60.0,
    "tokens_per_minute": 60.0,
}
FOREVER: Final = frozenset({"tokens_per_month", "budget_day", "budget_month"})
"""Kinds whose period a run does not leave."""
CONCURRENT: Final = "concurrent_requests"
REFUSALS: Final = frozenset({"rate_limit_exceeded", "insufficient_quota"})

EXCEEDED: Final = "reservations that exceeded a limit"
WITHIN: Final = "  by no more than the published bound, after a death"
REFUSED: Final = "calls that a limit refused"
FALSE: Final = "  of them false"
OVERSHOOT: Final = "overshoot in tokens (a bound holds: 0)"


@dataclass(frozen=True, slots=True)
class Use:
    """What one row takes of one kind of limit, before and after it is settled."""

    call: int
    attempt: int
    gateway: int
    admitted: float
    settled_first: float
    settled_last: float
    reserved: Decimal
    charged: Decimal

    def least(self, at: float) -> Decimal:
        """What it takes at least at a moment after its admission."""
        return min(self._possible(at))

    def most(self, at: float) -> Decimal:
        """What it takes at most at a moment after its admission."""
        return max(self._possible(at))

    def _possible(self, at: float) -> tuple[Decimal, ...]:
        if at < self.settled_first - EDGE_S:
            return (self.reserved,)
        return (self.charged,) if at > self.settled_last else (self.reserved, self.charged)


@dataclass(frozen=True, slots=True)
class Excess:
    """An admission after which a counter certainly stood above its limit."""

    rule: LimitRule
    subject: tuple[str, ...]
    call: int
    beyond: Decimal
    bound: Decimal
    """What the documentation allows then."""

    def __str__(self) -> str:
        who = "/".join(self.subject)
        return (
            f"{self.rule.id} {who}: {self.beyond} beyond {self.rule.amount} with call {self.call},"
            f" published bound {self.bound}"
        )


def check_limits(evidence: Evidence, verdict: Verdict) -> None:
    """Adds what can be told of each decision."""
    timeline = Timeline(evidence)
    rules = {rule.id: rule for rule in evidence.rules}
    uses = _uses(evidence, timeline)
    over: list[Excess] = []
    for (rule_id, subject), taken in uses.items():
        over += _over(rules[rule_id], subject, taken, timeline)
    wrong = [str(one) for one in over if one.beyond > one.bound]
    verdict.add(EXCEEDED, len(wrong), wrong)
    most = max(over, key=lambda one: one.beyond / one.bound if one.bound else one.beyond, default=0)
    verdict.add(WITHIN, f"{len(over) - len(wrong)}; the most: {most}")
    _refusals(evidence, timeline, rules, uses, verdict)
    _overshoot(evidence, verdict)


Uses = dict[tuple[str, tuple[str, ...]], list[Use]]
Levels = Iterator[tuple[Use, Decimal]]


class Counter:
    """All uses of one counter, looked up by time."""

    def __init__(self, taken: list[Use]) -> None:
        """`taken` is in order of admission."""
        self._taken = taken
        self._admitted = [use.admitted for use in taken]
        self._settled = sorted(taken, key=lambda use: use.settled_last)
        self._when = [use.settled_last for use in self._settled]
        self._charged = [
            Decimal(),
            *accumulate(use.charged for use in self._settled),
        ]

    def admitted(self, first: float, last: float) -> list[Use]:
        """Those after the one moment and not after the other."""
        return self._taken[bisect_right(self._admitted, first) : bisect_right(self._admitted, last)]

    def settled(self, before: float) -> Decimal:
        """What those are charged that were certainly settled before."""
        return self._charged[bisect_left(self._when, before)]

    def unsettled(self, at: float, last: float) -> list[Use]:
        """The others, as far as they were admitted until `last`."""
        others = self._settled[bisect_left(self._when, at) :]
        return [use for use in others if use.admitted <= last]


def _uses(evidence: Evidence, timeline: Timeline) -> Uses:
    found: Uses = defaultdict(list)
    for row in evidence.rows:
        caller = timeline.caller(row)
        times = timeline.times(row)
        for rule in evidence.rules:
            if any(row[name] != value for name, value in rule.subject.items()):
                continue
            reserved, charged = _measure(rule.kind, row)
            found[rule.id, tuple(row[name] for name in rule.each)].append(
                Use(
                    call=caller.call if caller else -1,
                    attempt=row["attempt"],
                    gateway=timeline.gateway(row),
                    admitted=times.admitted,
                    settled_first=times.settled_first,
                    settled_last=times.settled_last if row["state"] != "unknown" else float("inf"),
                    reserved=reserved,
                    charged=charged,
                )
            )
    for taken in found.values():
        taken.sort(key=lambda use: (use.admitted, use.attempt))
    return found


def _measure(kind: str, row: Row) -> tuple[Decimal, Decimal]:
    if kind.startswith("budget"):
        return Decimal(row["reserved_cost"]), Decimal(row["cost"])
    if kind.startswith("tokens"):
        reserved = row["reserved_input_tokens"] + row["reserved_output_tokens"]
        return Decimal(reserved), Decimal(row["total_tokens"])
    if kind == CONCURRENT:
        return Decimal(1), Decimal(0)
    return Decimal(1), Decimal(0 if row["state"] == "void" else 1)


def _need(kind: str, seen: Seen) -> Decimal:
    if kind.startswith("budget"):
        return price(seen.bytes, seen.cap)
    return Decimal(seen.bytes + seen.cap) if kind.startswith("tokens") else Decimal(1)


def _over(
    rule: LimitRule, subject: tuple[str, ...], taken: list[Use], time: Timeline
) -> list[Excess]:
    amount = Decimal(rule.amount)
    if sum(max(use.reserved, use.charged) for use in taken) <= amount:
        return []
    if rule.kind == CONCURRENT:
        levels = _concurrent(taken, time)
    elif rule.kind in FOREVER:
        levels = _forever(taken)
    else:
        levels = _windowed(taken, WINDOWS[rule.kind], time)
    return [
        Excess(rule, subject, use.call, level - amount, _died_with(rule, use.admitted, time))
        for use, level in levels
        if level > amount
    ]


def _died_with(rule: LimitRule, at: float, time: Timeline) -> Decimal:
    """By how much a limit may be passed after a gateway died with what others did not know of.

    The bound of docs/shared-store.md with the most that can be left; 0 where nobody died, and where
    one gateway counts alone.
    """
    if time.gateways == 1 or time.near(at, at, kinds=DEATHS, after=time.after) is None:
        return Decimal(0)
    return (Decimal(rule.amount) / (2 * (time.gateways + 1))).to_integral_value(ROUND_CEILING)


def _windowed(taken: list[Use], window: float, time: Timeline) -> Levels:
    """At each admission what the last seconds held at least."""
    admitted = [use.admitted for use in taken]
    for use in taken:
        at = use.admitted
        if time.stepped(at):
            continue
        within = taken[bisect_right(admitted, at - window) : bisect_right(admitted, at)]
        yield use, sum((one.least(at) for one in within), Decimal())


def _forever(taken: list[Use]) -> Levels:
    """At each admission what all admissions before it took at least."""
    settled = Decimal()
    for use, at, open_ in _open(taken, lambda use, at: at > use.settled_last):
        settled += sum((one.charged for one in open_.gone), Decimal())
        yield use, settled + sum((one.least(at) for one in open_.there), Decimal())


def _concurrent(taken: list[Use], time: Timeline) -> Levels:
    """At each admission how many were certainly under way."""
    followed: set[int] = set()
    for use, at, open_ in _open(taken, lambda use, at: at >= use.settled_first - EDGE_S):
        followed |= {one.call for one in open_.new if one.attempt > 1}
        yield (
            use,
            Decimal(
                sum(
                    # A later attempt takes its place over; what flew at a death is over.
                    not (one.attempt == 1 and one.call in followed)
                    and time.near(one.admitted, at, gateway=one.gateway) is None
                    for one in open_.there
                )
            ),
        )


@dataclass(slots=True)
class _Open:
    """Uses that are not over at a moment, those that are since the last, and those that began."""

    there: list[Use]
    gone: list[Use]
    new: list[Use]


def _open(
    taken: list[Use], over: Callable[[Use, float], bool]
) -> Iterator[tuple[Use, float, _Open]]:
    """Each admission with what is open then; quick, since what is over is not looked at again."""
    there: list[Use] = []
    end = 0
    admitted = [use.admitted for use in taken]
    for use in taken:
        at = use.admitted
        upto = bisect_right(admitted, at)
        new, end = taken[end:upto], upto
        there += new
        gone = [one for one in there if over(one, at)]
        there = [one for one in there if not over(one, at)]
        yield use, at, _Open(there=there, gone=gone, new=new)


def _refusals(
    evidence: Evidence,
    timeline: Timeline,
    rules: dict[str, LimitRule],
    uses: Uses,
    verdict: Verdict,
) -> None:
    false: list[str] = []
    right = undecided = 0
    unsaid: list[str] = []
    counters = {key: Counter(taken) for key, taken in uses.items()}
    for seen in evidence.seen:
        if seen.code not in REFUSALS:
            continue
        if seen.limit is None or seen.limit["id"] not in rules:
            unsaid.append(f"call {seen.call}: {seen.code} names no limit")
            continue
        rule = rules[seen.limit["id"]]
        key = (rule.id, tuple(getattr(seen, name) for name in rule.each))
        amount, need = Decimal(rule.amount), _need(rule.kind, seen)
        if Decimal(str(seen.limit["requested"])) != need:
            unsaid.append(f"call {seen.call}: needs {need}, told {seen.limit['requested']}")
        counter = counters.get(key) or Counter([])
        most = _bound(rule, counter, seen, Use.most, widest=True)
        least = _bound(rule, counter, seen, Use.least, widest=False)
        if rule.kind in WINDOWS and timeline.stepped(seen.sent):
            undecided += 1
        elif most + need <= amount:
            false.append(
                f"call {seen.call} of {seen.user}: {rule.id} had at most {most} of {amount}, "
                f"{need} would have fitted (told: {seen.limit['used']} used)"
            )
        elif least + need > amount:
            right += 1
        else:
            undecided += 1
    total = right + undecided + len(false)
    verdict.add(REFUSED, f"{total}: {right} certain, {undecided} undecided")
    verdict.add(FALSE, len(false), false)
    verdict.add("  of them that say something else than was asked", len(unsaid), unsaid)


def _bound(
    rule: LimitRule,
    counter: Counter,
    seen: Seen,
    value: Callable[[Use, float], Decimal],
    *,
    widest: bool,
) -> Decimal:
    """What the counter stood at when the call was refused: at most, or at least."""
    # The widest view holds all that may have counted at some moment of the call.
    slack = EDGE_S if widest else -EDGE_S
    last = (seen.ended if widest else seen.sent) + slack
    choose = max if widest else min
    if rule.kind in WINDOWS:
        first = (seen.sent if widest else seen.ended) - WINDOWS[rule.kind] - slack
        base, taken = Decimal(), counter.admitted(first, last)
    else:
        base, taken = counter.settled(seen.sent), counter.unsettled(seen.sent, last)
    return base + sum(
        (
            choose(value(use, seen.sent), value(use, seen.ended))
            for use in taken
            if not (rule.kind == CONCURRENT and use.call == seen.call)
        ),
        Decimal(),
    )


def _overshoot(evidence: Evidence, verdict: Verdict) -> None:
    """Tokens beyond what was reserved: none but where a provider lied."""
    lies = {(attempt.id, attempt.provider): attempt.lie for attempt in evidence.attempts}
    wrong: list[str] = []
    lied = 0
    for row in evidence.rows:
        reserved = row["reserved_input_tokens"] + row["reserved_output_tokens"]
        beyond = row["total_tokens"] - reserved
        if beyond <= 0:
            continue
        if lies.get((row["stream_id"], row["provider"].rpartition("/")[2])) == "high_usage":
            lied += beyond
        else:
            wrong.append(f"{row['stream_id']}: {beyond} tokens beyond {reserved}")
    verdict.add(OVERSHOOT, len(wrong), wrong)
    verdict.add("  of providers that lied", lied)
