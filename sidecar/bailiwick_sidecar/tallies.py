"""Sums over attempts, as `/metrics` shows them.

Every call is counted some ten times. Counters of prometheus_client look up their labels and take a
lock for each; here one look-up finds all the sums of an attempt, and families are made at a scrape.
Not for use from several threads.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from bailiwick_contract.money import PICO
from bailiwick_sidecar.accounting.model import Intent, Row, RowState

SENT: Final = frozenset({RowState.SETTLED, RowState.ESTIMATED})
OTHER: Final = "other"
TOKENS: Final = (
    "input",
    "output",
    "cached_input",
    "cache_write",
    "audio_input",
    "reasoning_output",
    "audio_output",
)

TOKEN_BUCKETS: Final = tuple(4.0**power for power in range(14))
DURATION_BUCKETS: Final = tuple(0.01 * 2**power for power in range(14))
FIRST_TOKEN_BUCKETS: Final = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
)  # fmt: skip

_WHO: Final = ("team", "route", "provider", "model")
_CALL: Final = (
    "gen_ai_operation_name",
    "gen_ai_provider_name",
    "gen_ai_request_model",
    "gen_ai_response_model",
)

Labels = tuple[str, ...]


class Spread:
    """How values spread over buckets; a bound belongs to its bucket."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def merge(self, other: "Spread") -> None:
        """Count all that the other has counted."""
        self.counts = [mine + its for mine, its in zip(self.counts, other.counts, strict=True)]
        self.total += other.total

    @property
    def empty(self) -> bool:
        """True where nothing was counted."""
        return not any(self.counts)


@dataclass(frozen=True, slots=True)
class Kind:
    """What the attempts of one sum have in common."""

    who: Labels
    call: Labels
    protocol: str
    state: str
    reason: str
    failed: str
    currency: str


@dataclass(slots=True)
class Sums:
    """All figures of attempts of one kind. Money in picounits, times in seconds."""

    kind: Kind
    sent: bool
    rows: int = 0
    tokens: list[int] = field(default_factory=lambda: [0] * len(TOKENS))
    cost: int = 0
    overshoot: int = 0
    taken: Spread = field(default_factory=lambda: Spread(TOKEN_BUCKETS))
    given: Spread = field(default_factory=lambda: Spread(TOKEN_BUCKETS))
    duration: Spread = field(default_factory=lambda: Spread(DURATION_BUCKETS))
    first: Spread = field(default_factory=lambda: Spread(FIRST_TOKEN_BUCKETS))


class Tallies(Collector):
    """Counts attempts. `protocols` maps a provider's name to what OpenTelemetry calls it."""

    def __init__(self, protocols: Callable[[str], str]) -> None:
        self._protocols = protocols
        self._decided: dict[Labels, int] = {}
        self._admitted: dict[Labels, list[int]] = {}
        self._sums: dict[tuple[object, ...], Sums] = {}

    def admitted(self, intent: Intent) -> None:
        """An attempt may leave."""
        caller = intent.caller
        key = (caller.team, caller.route, intent.provider, intent.model, intent.protocol)
        sums = self._admitted.get(key)
        if sums is None:
            sums = self._admitted[key] = [0, 0]
        sums[0] += 1
        sums[1] += intent.input_bound + intent.output_bound

    def refused(self, code: str, *, team: str, route: str, protocol: str) -> None:
        """A call is refused."""
        key = (team, route, "refused", code, protocol)
        self._decided[key] = self._decided.get(key, 0) + 1

    def ended(self, row: Row, *, overshoot: int, currency: str) -> None:
        """An attempt has its row."""
        intent, state, status, usage = row.intent, row.state, row.status, row.usage
        caller = intent.caller
        named = self._protocols(intent.provider)
        ok = 0 < status < 400  # noqa: PLR2004 -- HTTP's first error status
        key = (
            state, row.reason, 0 if ok else status or OTHER, caller.team, caller.route,
            intent.provider, intent.model, intent.operation, intent.protocol, named, currency,
        )  # fmt: skip
        sums = self._sums.get(key)
        if sums is None:
            failed = "" if ok else str(status or OTHER)
            sums = self._sums[key] = _sums(row, named, failed=failed, currency=currency)
        sums.rows += 1
        sums.cost += row.cost
        sums.overshoot += overshoot
        tokens = sums.tokens
        tokens[0] += usage.input
        tokens[1] += usage.output
        if usage.cached_input or usage.cache_write or usage.audio_input or usage.audio_output:
            tokens[2] += usage.cached_input
            tokens[3] += usage.cache_write
            tokens[4] += usage.audio_input
            tokens[6] += usage.audio_output
        tokens[5] += usage.reasoning_output
        if not sums.sent:
            return
        sums.duration.add(row.duration_ms / 1000)
        if state is RowState.SETTLED and (usage.input or usage.output):
            sums.taken.add(usage.input)
            sums.given.add(usage.output)
        if intent.stream and ok and row.first_byte_ms:
            sums.first.add(row.first_byte_ms / 1000)

    def collect(self) -> Iterable[Metric]:
        """Every family, whether anything was counted or not."""
        sums = tuple(self._sums.values())
        decided = dict(self._decided)
        for (team, route, *_, protocol), (count, _) in self._admitted.items():
            key = (team, route, "admitted", "", protocol)
            decided[key] = decided.get(key, 0) + count
        yield counter(
            "bailiwick_requests",
            "Attempts decided on: admitted, or refused with which code.",
            ("team", "route", "decision", "code", "protocol"),
            decided.items(),
        )
        yield counter(
            "bailiwick_attempts",
            "Attempts that ended, by the state of their ledger row.",
            ("state", "reason", *_WHO, "protocol"),
            (
                ((one.kind.state, one.kind.reason, *one.kind.who, one.kind.protocol), one.rows)
                for one in sums
            ),
        )
        yield counter(
            "bailiwick_reserved_tokens",
            "Tokens reserved for attempts.",
            _WHO,
            ((who, tokens) for (*who, _), (_, tokens) in self._admitted.items()),
        )
        yield counter(
            "bailiwick_tokens",
            "Tokens on ledger rows by kind; cached_input, cache_write and audio_input are parts of"
            " input, reasoning_output and audio_output of output.",
            ("state", "kind", *_WHO),
            (
                ((one.kind.state, name, *one.kind.who), amount)
                for one in sums
                for name, amount in zip(TOKENS, one.tokens, strict=True)
                if amount
            ),
        )
        yield counter(
            "bailiwick_cost",
            "Money on ledger rows in the tenant's currency.",
            ("currency", "state", *_WHO),
            (
                ((one.kind.currency, one.kind.state, *one.kind.who), one.cost / PICO)
                for one in sums
                if one.cost
            ),
        )
        yield counter(
            "bailiwick_overshoot_tokens",
            "Tokens used beyond what was reserved.",
            _WHO,
            ((one.kind.who, one.overshoot) for one in sums if one.overshoot),
        )
        yield histogram(
            "gen_ai_client_token_usage",
            "Input and output tokens of an attempt, as its provider gave them.",
            (*_CALL, "gen_ai_token_type"),
            _usages(sums),
        )
        yield histogram(
            "gen_ai_server_request_duration_seconds",
            "Duration of an attempt.",
            ("team", *_CALL, "error_type"),
            (((one.kind.who[0], *one.kind.call, one.kind.failed), one.duration) for one in sums),
        )
        yield histogram(
            "gen_ai_server_time_to_first_token_seconds",
            "Time to the first byte of a streamed answer that succeeded.",
            ("team", *_CALL),
            (((one.kind.who[0], *one.kind.call), one.first) for one in sums),
        )


def counter(
    name: str, text: str, labels: Labels, entries: Iterable[tuple[Sequence[str], float]]
) -> Metric:
    """A family of counters; entries of equal labels are added up."""
    totals: dict[Labels, float] = {}
    for values, amount in entries:
        totals[tuple(values)] = totals.get(tuple(values), 0) + amount
    family = CounterMetricFamily(name, text, labels=labels)
    for found, amount in totals.items():
        family.add_metric(found, amount)
    return family


def histogram(
    name: str, text: str, labels: Labels, entries: Iterable[tuple[Labels, Spread]]
) -> Metric:
    """A family of histograms; entries of equal labels are added up, empty ones left out."""
    totals: dict[Labels, Spread] = {}
    for values, spread in entries:
        if not spread.empty:
            totals.setdefault(values, Spread(spread.bounds)).merge(spread)
    family = HistogramMetricFamily(name, text, labels=labels)
    for found, spread in totals.items():
        bounds = [*map(floatToGoString, spread.bounds), "+Inf"]
        below = [float(count) for count in accumulate(spread.counts)]
        family.add_metric(found, list(zip(bounds, below, strict=True)), sum_value=spread.total)
    return family


def _usages(sums: Sequence[Sums]) -> Iterator[tuple[Labels, Spread]]:
    for one in sums:
        yield (*one.kind.call, "input"), one.taken
        yield (*one.kind.call, "output"), one.given


def _sums(row: Row, named: str, *, failed: str, currency: str) -> Sums:
    intent, caller = row.intent, row.intent.caller
    kind = Kind(
        who=(caller.team, caller.route, intent.provider, intent.model),
        call=(intent.operation, named, intent.model, intent.model),
        protocol=intent.protocol,
        state=row.state.value,
        reason=row.reason,
        failed=failed,
        currency=currency,
    )
    return Sums(kind, sent=row.state in SENT)
