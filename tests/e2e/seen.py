"""What providers, metrics and conditions say of what was done."""

import json
from typing import Any

from e2e.client import Cluster, condition, until
from e2e.world import MODELS, MONITORING, TENANT_NAMESPACE
from prometheus_client.parser import text_string_to_metric_families


def seen_by(cluster: Cluster, provider: str) -> list[dict[str, Any]]:
    """The attempts that this provider counted."""
    where = (f"--namespace={MODELS}", f"deployment/{provider}")
    printed = cluster("exec", *where, "--", "sh", "-c", "touch /tmp/calls; cat /tmp/calls")
    return [json.loads(line) for line in printed.splitlines()]


def metrics(cluster: Cluster) -> dict[str, list[tuple[dict[str, str], float]]]:
    """The gateway's metrics, as a scraper in the monitoring namespace gets them."""
    pods = cluster.items(
        "pods", f"--namespace={TENANT_NAMESPACE}", "-l", "app.kubernetes.io/name=bailiwick-gateway"
    )
    address = f"http://{pods[0]['status']['podIP']}:9090/metrics"
    text = fetch(cluster, address)
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
    return found


def fetch(cluster: Cluster, address: str) -> str:
    """What a pod of the monitoring namespace gets from this address."""
    code = (
        "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=5).read().decode())"
    )
    where = (f"--namespace={MONITORING}", "deployment/scraper")
    return cluster("exec", *where, "--", "python", "-c", code, address)


def total(found: dict[str, list[tuple[dict[str, str], float]]], name: str, **labels: str) -> float:
    """Sum of the metric's samples that have these labels."""
    return sum(value for had, value in found.get(name, ()) if labels.items() <= had.items())


def settled_as(
    cluster: Cluster, before: dict[str, list[tuple[dict[str, str], float]]], *, kind: str
) -> None:
    """Return once one more attempt by gRPC has its row, in this state, with what was delivered."""
    labels = {"state": kind, "protocol": "grpc"}
    was = total(before, "bailiwick_attempts_total", **labels)
    after = until(
        lambda: metrics(cluster),
        lambda seen: total(seen, "bailiwick_attempts_total", **labels) == was + 1,
        what=f"a row that is {kind}",
    )
    output = {"state": kind, "kind": "output"}
    delivered = total(after, "bailiwick_tokens_total", **output) - total(
        before, "bailiwick_tokens_total", **output
    )
    assert 0 < delivered < 60


def until_programmed(cluster: Cluster, kind: str, name: str) -> None:
    """Return once the resource's newest generation is what every ready gateway serves."""
    for what in ("Accepted", "Programmed"):
        until(
            lambda: condition(
                cluster.get(f"{kind}.bailiwick.dev", name, f"--namespace={TENANT_NAMESPACE}"),
                what,  # noqa: B023 - used before the next turn
            ),
            lambda seen: seen[0] == "True",
            what=f"{kind}/{name} {what}",
            seconds=180,
        )
