"""Thresholds crossed and days on which budgets will be spent, as gauges. Labels are limits' ids."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from prometheus_client.core import GaugeMetricFamily, Metric

from bailiwick_sidecar.quota.forecast import FORECAST, spent_at
from bailiwick_sidecar.quota.limits import CompiledLimit, CompiledLimits
from bailiwick_sidecar.quota.model import LimitState
from bailiwick_sidecar.quota.moment import Moment

BUDGETS_OWN: Final = (80, 100)
"""Percent, where a limit of a day or month names no thresholds: the Tenant's own never do."""


class Counting(Protocol):
    """Counters as they stand."""

    limits: CompiledLimits

    @property
    def moment(self) -> Moment:
        """The moment of the newest call."""
        ...

    def all_states(self, now: int) -> Iterable[LimitState]:
        """Every counter there is; moves on to `now`."""
        ...


@dataclass(frozen=True, slots=True)
class BudgetFigures:
    """Asked for at each scrape. Of a limit with many counters the one that is worst counts."""

    engine: Counting
    clock: Callable[[], int]

    def __call__(self) -> Iterable[Metric]:
        """Both gauges. Seconds since the epoch; no sample where no forecast can be made."""
        now = self.clock()
        percent: dict[tuple[str, str], int] = {}
        spent: dict[tuple[str, str], int] = {}
        for state in self.engine.all_states(now):
            key = (state.limit_id, "shadow" if state.shadow else "enforce")
            percent[key] = max(percent.get(key, 0), _percent(state))
            moment = spent_at(state, self.engine.moment.calendar, now)
            if moment is not None:
                spent[key] = min(moment, spent.get(key, moment))
        return _crossed(percent, self.engine.limits), _spent(spent)


def _percent(state: LimitState) -> int:
    """Whole percent of use, rounded down: 80 is reached at 80, not before."""
    if not state.limit:
        return 100 if state.used else 0
    return 100 * state.used // state.limit


def _crossed(percent: dict[tuple[str, str], int], limits: CompiledLimits) -> Metric:
    gauge = GaugeMetricFamily(
        "bailiwick_limit_threshold_crossed",
        "1 where the limit's fullest counter has reached this percentage (Quota.spec.thresholds).",
        labels=("limit", "mode", "percent"),
    )
    for (limit, mode), used in percent.items():
        for threshold in _thresholds(limits.by_id[limit]):
            gauge.add_metric((limit, mode, str(threshold)), float(used >= threshold))
    return gauge


def _thresholds(limit: CompiledLimit) -> tuple[int, ...]:
    return limit.thresholds or (BUDGETS_OWN if limit.kind in FORECAST else ())


def _spent(spent: dict[tuple[str, str], int]) -> Metric:
    gauge = GaugeMetricFamily(
        "bailiwick_budget_exhaustion_timestamp_seconds",
        "When a monthly or daily limit will be spent at the rate of its period so far.",
        labels=("limit", "mode"),
    )
    for key, moment in spent.items():
        gauge.add_metric(key, moment / 1000)
    return gauge
