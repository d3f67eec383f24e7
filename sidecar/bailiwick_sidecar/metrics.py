"""What `/metrics` says. Labels are bounded: names from the config, never a user, tag, path or id.

Names of the OpenTelemetry GenAI conventions are used where one exists, in the form that its
Prometheus mapping gives them (dots as underscores, unit `s` as `_seconds`, unit `{token}` dropped):
https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics
"""

from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bailiwick_contract.money import PICO
from bailiwick_sidecar.accounting.model import Intent, Row, RowState
from bailiwick_sidecar.quota.model import LimitState

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
SENT: Final = frozenset({RowState.SETTLED, RowState.ESTIMATED})
OTHER: Final = "other"

TOKEN_BUCKETS: Final = tuple(4.0**power for power in range(14))
DURATION_BUCKETS: Final = tuple(0.01 * 2**power for power in range(14))
FIRST_TOKEN_BUCKETS: Final = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
)  # fmt: skip

_CALL: Final = (
    "gen_ai_operation_name",
    "gen_ai_provider_name",
    "gen_ai_request_model",
    "gen_ai_response_model",
)
_WHO: Final = ("team", "route", "provider", "model")


class AgentMetrics:
    """The agent's figures. `protocols` maps a provider's name to what OpenTelemetry calls it."""

    def __init__(self, protocols: Callable[[str], str]) -> None:
        # A second series for each counter that only says when it began.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the package leaves it untyped
        self.registry = CollectorRegistry()
        self._protocols = protocols
        registry = self.registry
        self._requests = Counter(
            "bailiwick_requests",
            "Attempts decided on: admitted, or refused with which code.",
            ("team", "decision", "code", "protocol"),
            registry=registry,
        )
        self._refusals = Counter(
            "bailiwick_limit_refusals",
            "Calls that a limit refused.",
            ("limit", "team"),
            registry=registry,
        )
        self._rows = Counter(
            "bailiwick_attempts",
            "Attempts that ended, by the state of their ledger row.",
            ("state", "reason", *_WHO, "protocol"),
            registry=registry,
        )
        self._reserved = Counter(
            "bailiwick_reserved_tokens",
            "Tokens reserved for attempts.",
            _WHO,
            registry=registry,
        )
        self._tokens = Counter(
            "bailiwick_tokens",
            "Tokens on ledger rows by kind; cached_input, cache_write and audio_input are parts of"
            " input, reasoning_output and audio_output of output.",
            ("state", "kind", *_WHO),
            registry=registry,
        )
        self._cost = Counter(
            "bailiwick_cost",
            "Money on ledger rows in the tenant's currency.",
            ("currency", "state", *_WHO),
            registry=registry,
        )
        self._overshoot = Counter(
            "bailiwick_overshoot_tokens",
            "Tokens used beyond what was reserved.",
            _WHO,
            registry=registry,
        )
        self._usage = Histogram(
            "gen_ai_client_token_usage",
            "Input and output tokens of an attempt, as its provider gave them.",
            (*_CALL, "gen_ai_token_type"),
            buckets=TOKEN_BUCKETS,
            registry=registry,
        )
        self._duration = Histogram(
            "gen_ai_server_request_duration_seconds",
            "Duration of an attempt.",
            (*_CALL, "error_type"),
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self._first = Histogram(
            "gen_ai_server_time_to_first_token_seconds",
            "Time to the first byte of a streamed answer that succeeded.",
            _CALL,
            buckets=FIRST_TOKEN_BUCKETS,
            registry=registry,
        )

    def admitted(self, intent: Intent) -> None:
        """An attempt may leave."""
        self._requests.labels(intent.caller.team, "admitted", "", intent.protocol).inc()
        self._reserved.labels(*_who(intent)).inc(intent.input_bound + intent.output_bound)

    def refused(self, code: str, *, team: str, limit: str, protocol: str = "http") -> None:
        """A call is refused; `limit` is the deciding limit's id, empty where none decided."""
        self._requests.labels(team, "refused", code, protocol).inc()
        if limit:
            self._refusals.labels(limit, team).inc()

    def ended(self, row: Row, *, overshoot: int, currency: str) -> None:
        """An attempt has its row."""
        intent, usage, state = row.intent, row.usage, row.state.value
        who = _who(intent)
        self._rows.labels(state, row.reason, *who, intent.protocol).inc()
        for kind in (
            "input",
            "output",
            "cached_input",
            "cache_write",
            "audio_input",
            "reasoning_output",
            "audio_output",
        ):
            if amount := getattr(usage, kind):
                self._tokens.labels(state, kind, *who).inc(amount)
        if row.cost:
            self._cost.labels(currency, state, *who).inc(row.cost / PICO)
        if overshoot:
            self._overshoot.labels(*who).inc(overshoot)
        if row.state in SENT:
            self._timed(row)

    def _timed(self, row: Row) -> None:
        intent = row.intent
        provider = self._protocols(intent.provider)
        call = (intent.operation, provider, intent.model, intent.model)
        failed = "" if 0 < row.status < 400 else str(row.status or OTHER)  # noqa: PLR2004 -- HTTP's first error status
        self._duration.labels(*call, failed).observe(row.duration_ms / 1000)
        if row.state is RowState.SETTLED and row.usage.total:
            self._usage.labels(*call, "input").observe(row.usage.input)
            self._usage.labels(*call, "output").observe(row.usage.output)
        if intent.stream and not failed and row.first_byte_ms:
            self._first.labels(*call).observe(row.first_byte_ms / 1000)

    def watch(self, name: str, documentation: str, value: Callable[[], float]) -> None:
        """Export a gauge whose value is asked for at each scrape."""
        Gauge(name, documentation, registry=self.registry).set_function(value)

    def watch_limits(self, states: Callable[[], Iterable[LimitState]]) -> None:
        """Export how far each limit is used, asked for at each scrape."""
        self.registry.register(LimitUse(states))

    def watch_keys(self, figures: Callable[[], Iterable[Metric]]) -> None:
        """Export how providers' keys are, asked for at each scrape."""
        self.registry.register(KeyFigures(figures))

    def text(self) -> bytes:
        """The exposition in Prometheus' text format."""
        return generate_latest(self.registry)


class LimitUse(Collector):
    """The fullest counter of each limit: subjects may be users, so they are no label."""

    def __init__(self, states: Callable[[], Iterable[LimitState]]) -> None:
        self._states = states

    def collect(self) -> Iterable[Metric]:
        """One gauge with the use of each limit."""
        fullest: dict[tuple[str, str], float] = {}
        for state in self._states():
            key = (state.limit_id, "shadow" if state.shadow else "enforce")
            ratio = state.used / state.limit if state.limit else float(state.used > 0)
            fullest[key] = max(ratio, fullest.get(key, 0.0))
        gauge = GaugeMetricFamily(
            "bailiwick_limit_use_ratio",
            "Use of each limit's fullest counter: settled plus reserved, 1 is full.",
            labels=("limit", "mode"),
        )
        for key, ratio in fullest.items():
            gauge.add_metric(key, ratio)
        return (gauge,)


class KeyFigures(Collector):
    """What the source of keys says of them; never a key."""

    def __init__(self, figures: Callable[[], Iterable[Metric]]) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        """The source's figures."""
        return self._figures()


def _who(intent: Intent) -> tuple[str, str, str, str]:
    return intent.caller.team, intent.caller.route, intent.provider, intent.model
