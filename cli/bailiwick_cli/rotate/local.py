"""Telling the gateways of a running `bailiwick up`."""

import fcntl
import os
import signal
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families

from bailiwick_cli.datadir import DataDir, existing
from bailiwick_cli.errors import CommandError

PAUSE_S: Final = 0.05


class NotServedError(CommandError):
    """No running `up` serves the tenant from this data directory."""


@dataclass(frozen=True, slots=True)
class Told:
    """A key of one namespace; versions are Vault's, `seconds` until it was read."""

    namespace: str
    key: str
    before: int
    after: int
    seconds: float


def tell(tenant: str, *, data_dir: Path, within: float) -> list[Told]:
    """Every key of the tenant has been read anew; none where keys do not come from Vault.

    Raises:
        NotServedError: nothing serves the tenant from there.
        CommandError: a gateway did not read its keys in time.
    """
    data = existing(data_dir)
    gateways = _gateways(data, tenant)
    before = {one["namespace"]: _figures(one["metrics"]) for one in gateways}
    began = time.monotonic()
    for one in gateways:
        if before[one["namespace"]].keys:
            os.kill(one["agentPid"], signal.SIGHUP)
    told = []
    for one in gateways:
        old = before[one["namespace"]]
        if not old.keys:
            continue
        new = _until(
            lambda: _figures(one["metrics"]),  # noqa: B023 - used before the next turn
            lambda seen: seen.reads >= old.reads + len(old.keys),  # noqa: B023 - as above
            deadline=began + within,
        )
        if new is None:
            raise CommandError(
                f"the gateway of {one['namespace']} did not read its keys within {within:g} s: is"
                f" Vault there? See its status in {data.run(one['namespace'])}/status.json"
            )
        took = time.monotonic() - began
        told += [
            Told(one["namespace"], key, old.keys.get(key, 0), version, took)
            for key, version in sorted(new.keys.items())
        ]
    return told


@dataclass(frozen=True, slots=True)
class _Figures:
    keys: Mapping[str, int]
    """Versions in use."""
    reads: float
    """How often Vault was asked for a key."""


def _gateways(data: DataDir, tenant: str) -> list[dict[str, Any]]:
    served = data.served() if _runs(data) else None
    if served is None:
        raise NotServedError(
            f"no `bailiwick up` runs on {data.root}: start it, name its directory with --data-dir,"
            " or leave --local out for a cluster"
        )
    found = [one for one in served["gateways"] if one["tenant"] == tenant and one["agentPid"]]
    if not found:
        names = ", ".join(sorted({one["tenant"] for one in served["gateways"]})) or "none"
        raise NotServedError(f"`up` does not serve tenant {tenant!r}; it serves {names}")
    return found


def _runs(data: DataDir) -> bool:
    """True where an `up` holds the directory's lock."""
    try:
        descriptor = os.open(data.lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _figures(url: str) -> _Figures:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - of our own up.json
            text = answer.read().decode()
    except OSError as error:
        raise CommandError(f"{url} can't be read ({error}): is the gateway starting?") from error
    keys: dict[str, int] = {}
    reads = 0.0
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "bailiwick_key_usable":
                keys.setdefault(sample.labels["key"], 0)
            elif sample.name == "bailiwick_key_version":
                keys[sample.labels["key"]] = int(sample.value)
            elif sample.name == "bailiwick_vault_reads_total":
                reads += sample.value
    return _Figures(keys, reads)


def _until(
    look: Callable[[], _Figures], good: Callable[[_Figures], bool], *, deadline: float
) -> _Figures | None:
    while True:
        seen = look()
        if good(seen):
            return seen
        if time.monotonic() > deadline:
            return None
        time.sleep(PAUSE_S)
