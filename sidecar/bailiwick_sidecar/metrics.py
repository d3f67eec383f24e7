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
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bailiwick_sidecar.accounting.model import Intent, Row
from bailiwick_sidecar.quota.model import LimitState
from bailiwick_sidecar.tallies import Tallies

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class AgentMetrics:
    """The agent's figures. `protocols` maps a provider's name to what OpenTelemetry calls it."""

    def __init__(self, protocols: Callable[[str], str]) -> None:
        # A second series for each counter that only says when it began.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the package leaves it untyped
        self.registry = CollectorRegistry()
        registry = self.registry
        self._tallies = Tallies(protocols)
        registry.register(self._tallies)
        self._refusals = Counter(
            "bailiwick_limit_refusals",
            "Calls that a limit refused.",
            ("limit", "team", "route"),
            registry=registry,
        )

    def admitted(self, intent: Intent) -> None:
        """An attempt may leave."""
        self._tallies.admitted(intent)

    def refused(
        self, code: str, *, team: str, route: str, limit: str, protocol: str = "http"
    ) -> None:
        """A call is refused; `limit` is the deciding limit's id, empty where none decided."""
        self._tallies.refused(code, team=team, route=route, protocol=protocol)
        if limit:
            self._refusals.labels(limit, team, route).inc()

    def ended(self, row: Row, *, overshoot: int, currency: str) -> None:
        """An attempt has its row."""
        self._tallies.ended(row, overshoot=overshoot, currency=currency)

    def watch(self, name: str, documentation: str, value: Callable[[], float]) -> None:
        """Export a gauge whose value is asked for at each scrape."""
        Gauge(name, documentation, registry=self.registry).set_function(value)

    def watch_limits(self, states: Callable[[], Iterable[LimitState]]) -> None:
        """Export how far each limit is used, asked for at each scrape."""
        self.registry.register(LimitUse(states))

    def watch_figures(self, figures: Callable[[], Iterable[Metric]]) -> None:
        """Export what a part of the agent says of itself, asked for at each scrape."""
        self.registry.register(Figures(figures))

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


class Figures(Collector):
    """What a part of the agent says of itself."""

    def __init__(self, figures: Callable[[], Iterable[Metric]]) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        """The part's figures."""
        return self._figures()
