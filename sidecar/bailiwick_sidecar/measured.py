"""Gauges over the agent's parts, asked for at each scrape."""

import time
from collections.abc import Callable, Iterable

from prometheus_client.core import GaugeMetricFamily, Metric

from bailiwick_sidecar.accounting.service import Accounting
from bailiwick_sidecar.admission.gate import Gate
from bailiwick_sidecar.books import LateLedger
from bailiwick_sidecar.budgets import BudgetFigures
from bailiwick_sidecar.config.store import ConfigStore
from bailiwick_sidecar.metrics import AgentMetrics
from bailiwick_sidecar.quota.engine import Engine


def passed_over(gate: Gate, now: int) -> Iterable[Metric]:
    """Backends that calls are not begun at, by route and name."""
    gauge = GaugeMetricFamily(
        "bailiwick_backend_passed_over",
        "1 for each backend that fails, or asked for a pause: it is tried last.",
        labels=("route", "backend"),
    )
    troubled = set(gate.health.troubled(now))
    ways = {way.name: way for way in gate.tables.ways.values()} if gate.tables else {}
    for way in ways.values():
        for place in way.places:
            if place.code in troubled:
                gauge.add_metric((way.name, place.name), 1.0)
    return (gauge,)


def measure(
    metrics: AgentMetrics,
    engine: Engine,
    accounting: Accounting,
    ledger: LateLedger,
    store: ConfigStore,
    *,
    clock: Callable[[], int],
) -> None:
    """Export how the agent's parts stand."""
    book, journal = accounting.book, accounting.journal

    def waiting() -> float:
        progress = ledger.progress()
        return 0 if progress is None else progress.waiting

    def failing() -> float:
        progress = ledger.progress()
        since = progress.failing_since if progress is not None else None
        return 0 if since is None else time.monotonic() - since

    def unshipped() -> float:
        progress = ledger.progress()
        oldest = progress.oldest if progress is not None else None
        return 0 if oldest is None else max(0, clock() - oldest) / 1000

    metrics.watch_limits(lambda: engine.all_states(clock()))
    metrics.watch_figures(BudgetFigures(engine, clock))
    metrics.watch(
        "bailiwick_attempts_in_flight", "Attempts without a row yet.", lambda: book.in_flight
    )
    metrics.watch(
        "bailiwick_counter_subjects",
        "Counters of limits that count each subject by itself.",
        lambda: engine.subjects,
    )
    metrics.watch("bailiwick_journal_bytes", "Size of the journal on disk.", journal.size)
    metrics.watch(
        "bailiwick_record_strays", "Records that belong to no open attempt.", lambda: book.strays
    )
    metrics.watch("bailiwick_ledger_waiting_rows", "Rows on their way to the ledger.", waiting)
    metrics.watch(
        "bailiwick_ledger_failing_seconds",
        "Since when the ledger takes nothing; 0: it does.",
        failing,
    )
    metrics.watch(
        "bailiwick_ledger_unshipped_seconds",
        "Age of the oldest row that the ledger is being given; 0: there is none.",
        unshipped,
    )
    metrics.watch(
        "bailiwick_journal_unshipped_bytes",
        "Bytes of the journal after the last row that the ledger took.",
        journal.unshipped,
    )
    metrics.watch(
        "bailiwick_config_sequence", "Number of the newest config that came.", lambda: store.newest
    )
    metrics.watch(
        "bailiwick_config_age_seconds",
        "Since when the config in force holds.",
        store.age,
    )
    metrics.watch(
        "bailiwick_config_current",
        "1 where Envoy serves the newest config, 0 where it does not (yet).",
        lambda: float(store.current),
    )
