"""Figures of keys: names, versions and ages, never a key."""

from collections.abc import Iterable, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from bailiwick_sidecar.secrets import KeyRef
from bailiwick_sidecar.vault.freshness import Key
from bailiwick_sidecar.vault.words import shown


def families(
    keys: Mapping[KeyRef, Key], reads: Mapping[str, int], *, now: float, wall: float
) -> Iterable[Metric]:
    """Version, age and standing of each key, and what came of asking Vault."""
    usable = GaugeMetricFamily(
        "bailiwick_key_usable", "1 where calls may leave with the key.", labels=("key", "standing")
    )
    version = GaugeMetricFamily(
        "bailiwick_key_version",
        "Version in use: Vault's, or where it has none how many this process has seen.",
        labels=("key",),
    )
    age = GaugeMetricFamily(
        "bailiwick_key_age_seconds", "Since when this version is in Vault.", labels=("key",)
    )
    unconfirmed = GaugeMetricFamily(
        "bailiwick_key_unconfirmed_seconds",
        "Since when Vault has not said what the key is.",
        labels=("key",),
    )
    asked = CounterMetricFamily(
        "bailiwick_vault_reads", "Keys asked for, by what came of it.", labels=("outcome",)
    )
    for ref, key in keys.items():
        name = (shown(ref),)
        usable.add_metric((*name, str(key.standing)), float(key.standing.usable))
        if key.current is not None:
            version.add_metric(name, key.current.version or key.current.serial)
            if key.current.created is not None:
                age.add_metric(name, max(wall - key.current.created, 0.0))
        if key.confirmed is not None:
            unconfirmed.add_metric(name, now - key.confirmed)
    for outcome, count in reads.items():
        asked.add_metric((outcome,), count)
    return (usable, version, age, unconfirmed, asked)
