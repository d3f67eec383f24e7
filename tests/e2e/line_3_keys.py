"""A provider's key is rotated, lost and found again, and is nowhere in the cluster."""

import time

from e2e.calls import call
from e2e.client import Cluster, condition, until
from e2e.commands import bailiwick
from e2e.conftest import Story
from e2e.seen import metrics, seen_by, total
from e2e.vaulted import KEY_PATH, KEYS, in_vault, put_key
from e2e.world import SYSTEM, TENANT_NAMESPACE


def test_a_new_key_is_used_soon_after_a_notice(cluster: Cluster, story: Story) -> None:
    """`bailiwick rotate` brings the new version without a restart; polling would take 30 s."""
    put_key(cluster, KEYS[1])
    began = time.monotonic()
    told = bailiwick("rotate", "acme")
    until(
        lambda: metrics(cluster),
        lambda seen: total(seen, "bailiwick_key_version", key=f"{KEY_PATH}#api_key") == 2,
        what="version 2 is in use",
        seconds=20,
    )
    print(f"\nnew key in use {time.monotonic() - began:.1f} s after the notice\n{told}")

    for options in ((), ("--stream",)):
        (answer,) = call(cluster, story, "ranking-api", "fast", *options)
        assert answer["status"] == 200, answer
    assert {one["authorization"] for one in seen_by(cluster, "openai")[-2:]} == {
        f"Bearer {KEYS[1]}"
    }


def test_a_key_that_is_gone_is_said_on_the_route(cluster: Cluster, story: Story) -> None:
    """`Accepted=False/KeyMissing`, while its other backend serves; it ends when the key is back."""
    in_vault(cluster, f"vault kv delete {KEY_PATH}")
    bailiwick("rotate", "acme")
    for status in ("False", "True"):
        until(
            lambda: condition(
                cluster.get("modelroute.bailiwick.dev", "fast", f"--namespace={TENANT_NAMESPACE}"),
                "Accepted",
            ),
            lambda seen: (seen[0], seen[1] == "KeyMissing") == (status, status == "False"),  # noqa: B023 - used before the next turn
            what=f"the route is {status}",
        )
        before = len(seen_by(cluster, "vllm"))
        (answer,) = call(cluster, story, "ranking-api", "fast")
        assert answer["status"] == 200, answer
        if status == "False":
            assert len(seen_by(cluster, "vllm")) == before + 1
            put_key(cluster, KEYS[1])
            bailiwick("rotate", "acme")


def test_no_key_is_in_the_cluster(cluster: Cluster) -> None:
    """Not in any object that the API server has, of any kind, nor in what the pods wrote."""
    kinds = cluster("api-resources", "--verbs=list", "-o", "name").split()
    assert {"secrets", "configmaps", "events", "modelroutes.bailiwick.dev"} <= set(kinds)
    seen = {kind: cluster("get", kind, "--all-namespaces", "-o", "yaml") for kind in kinds}
    for namespace, name, container in (
        (TENANT_NAMESPACE, "bailiwick-gateway", "agent"),
        (TENANT_NAMESPACE, "bailiwick-gateway", "envoy"),
        (SYSTEM, "bailiwick-operator", "operator"),
    ):
        where = (f"--namespace={namespace}", f"deployment/{name}", f"--container={container}")
        seen[f"log of {container}"] = cluster("logs", *where)

    found = [what for what, text in seen.items() for key in KEYS if key in text]
    assert found == []
    assert not cluster.items("secrets", f"--namespace={TENANT_NAMESPACE}")
