"""What the collector says of itself to Prometheus."""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)


class CollectorMetrics:
    """Counters of one process. No tenant's name is in them: anyone who scrapes would learn it."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        """`clock` gives seconds that only go forward."""
        self._clock = clock
        self._failing_since: float | None = None
        self.registry = CollectorRegistry()
        self.batches = Counter(
            "bailiwick_collector_batches", "Batches that were kept.", registry=self.registry
        )
        rows = Counter(
            "bailiwick_collector_rows",
            "Rows of batches that were kept; duplicate: it was there before.",
            ["delivery"],
            registry=self.registry,
        )
        self.added, self.duplicates = rows.labels("first"), rows.labels("duplicate")
        self.refusals = Counter(
            "bailiwick_collector_refusals",
            "Calls that were refused, by gRPC status.",
            ["code"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "bailiwick_collector_write_seconds",
            "Until a batch was on the database's disk.",
            buckets=BUCKETS,
            registry=self.registry,
        )
        failing = Gauge(
            "bailiwick_collector_database_failing_seconds",
            "Since when the database takes nothing; 0: it does.",
            registry=self.registry,
        )
        failing.set_function(self.failing)

    def kept(self, *, rows: int, added: int, seconds: float) -> None:
        """A batch is on the database's disk."""
        self._failing_since = None
        self.batches.inc()
        self.added.inc(added)
        self.duplicates.inc(rows - added)
        self.seconds.observe(seconds)

    def database_away(self) -> None:
        """The database took nothing."""
        if self._failing_since is None:
            self._failing_since = self._clock()

    def failing(self) -> float:
        """Seconds since when the database takes nothing."""
        return 0.0 if self._failing_since is None else self._clock() - self._failing_since

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)
