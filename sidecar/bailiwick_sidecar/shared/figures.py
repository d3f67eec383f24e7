"""What a scrape says of the shared store."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from bailiwick_contract.money import PICO
from bailiwick_sidecar.quota.limits import BUDGETS
from bailiwick_sidecar.shared.store import SharedStore


def figures(store: SharedStore, now: int) -> Iterator[Metric]:
    """Outages, losses, replicas, and what this one holds. `now` in ms."""
    outage, lessee = store.outage, store.lessee
    yield GaugeMetricFamily(
        "bailiwick_quota_store_away",
        "1 while the shared quota store is away.",
        value=float(outage.since is not None),
    )
    yield CounterMetricFamily(
        "bailiwick_quota_store_degraded_seconds",
        "For how long the shared quota store has been away, all in all.",
        value=outage.seconds(now),
    )
    yield CounterMetricFamily(
        "bailiwick_quota_store_losses",
        "How often the store had lost what it had been told, and was told again.",
        value=lessee.losses,
    )
    yield CounterMetricFamily(
        "bailiwick_quota_store_messages",
        "Messages to the store; most calls need none.",
        value=lessee.sequence,
    )
    if (rebuild := store.rebuild) is not None:
        yield GaugeMetricFamily(
            "bailiwick_quota_store_incomplete",
            "1 while the store lacks what gateways used that are gone.",
            value=float(rebuild.under_way),
        )
        yield CounterMetricFamily(
            "bailiwick_quota_store_rebuilds",
            "Losses of the store that this gateway made good from the ledger.",
            value=rebuild.times,
        )
        yield CounterMetricFamily(
            "bailiwick_quota_store_rebuilt_amounts",
            "Amounts that were put back into the store: one per counter, period and gateway.",
            value=rebuild.raised,
        )
        yield CounterMetricFamily(
            "bailiwick_quota_store_rebuild_failures",
            "How often the ledger could not say what the store had lost.",
            value=rebuild.failures,
        )
    yield GaugeMetricFamily(
        "bailiwick_quota_store_replicas",
        "Gateways that count together, as last heard.",
        value=lessee.live,
    )
    bound = GaugeMetricFamily(
        "bailiwick_overshoot_bound",
        "By how much a limit could be exceeded if this gateway died now: what it holds.",
        labels=("limit",),
    )
    held: dict[str, float] = {}
    for counter in lessee.holding():
        limit = counter.limit
        amount = counter.share.held / (PICO if limit.kind in BUDGETS else 1)
        held[limit.id] = held.get(limit.id, 0) + amount
    for limit_id, amount in held.items():
        bound.add_metric((limit_id,), amount)
    yield bound
