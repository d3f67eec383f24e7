"""No reservation exceeds a limit, and no refusal is false: recomputed from what callers saw.

The moment of a decision and of a settle are known within bounds only. So each counter has a least
and a most that it can have stood at, and a decision between the two is counted as undecided.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Final

from bench.faults.check_books import price
from bench.faults.counters import (
    CONCURRENT,
    EDGE_S,
    FOREVER,
    WINDOWS,
    Counter,
    Use,
    Uses,
    concurrent,
    forever,
    uses_of,
    windowed,
)
from bench.faults.evidence import Evidence, LimitRule, Seen
from bench.faults.kinds import DEATHS
from bench.faults.timeline import Timeline
from bench.faults.verdict import Verdict

REFUSALS: Final = frozenset({"rate_limit_exceeded", "insufficient_quota"})

EXCEEDED: Final = "reservations that exceeded a limit"
WITHIN: Final = "  by no more than the published bound, after a death"
REFUSED: Final = "calls that a limit refused"
FALSE: Final = "  of them false"
OVERSHOOT: Final = "overshoot in tokens (a bound holds: 0)"


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
    uses = uses_of(evidence, timeline)
    over: list[Excess] = []
    for (rule_id, subject), taken in uses.items():
        over += _over(rules[rule_id], subject, taken, timeline)
    wrong = [str(one) for one in over if one.beyond > one.bound]
    verdict.add(EXCEEDED, len(wrong), wrong)
    most = max(over, key=lambda one: one.beyond / one.bound if one.bound else one.beyond, default=0)
    verdict.add(WITHIN, f"{len(over) - len(wrong)}; the most: {most}")
    _refusals(evidence, timeline, rules, uses, verdict)
    _overshoot(evidence, verdict)


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
        levels = concurrent(taken, time)
    elif rule.kind in FOREVER:
        levels = forever(taken)
    else:
        levels = windowed(taken, WINDOWS[rule.kind], time)
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
