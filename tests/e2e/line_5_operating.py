"""A gateway that is nobody's to look into, a changed route, and the plugin."""

import json

import pytest
from e2e.calls import call
from e2e.client import Cluster, CommandError, until
from e2e.commands import plugin
from e2e.conftest import Story
from e2e.seen import fetch, seen_by, until_programmed
from e2e.world import TENANT_NAMESPACE, acme


def test_the_gateway_is_nobodys_to_look_into(cluster: Cluster) -> None:
    """Not even an administrator executes in the gateway, and no other namespace calls it."""
    where = (f"--namespace={TENANT_NAMESPACE}", "deployment/bailiwick-gateway")
    with pytest.raises(CommandError, match="nobody looks into a gateway pod"):
        cluster("exec", *where, "--", "id")
    with pytest.raises(CommandError, match=r"timed out|refused"):
        fetch(cluster, f"http://bailiwick.{TENANT_NAMESPACE}.svc/healthz")


def test_a_changed_route_changes_the_calls(cluster: Cluster, story: Story) -> None:
    """Once `Programmed` speaks of the new generation, the next call goes to the new backend."""
    route = next(
        one for one in acme() if one["kind"] == "ModelRoute" and one["metadata"]["name"] == "fast"
    )
    openai, vllm = route["spec"]["backends"]
    vllm.pop("priority")
    openai["priority"] = 1
    openai.pop("weight")
    route["spec"]["backends"] = [vllm, openai]
    before = len(seen_by(cluster, "vllm"))
    cluster.apply([route])
    until_programmed(cluster, "modelroute", "fast")

    (answer,) = call(cluster, story, "ranking-api", "fast")

    assert answer["status"] == 200, answer
    assert len(seen_by(cluster, "vllm")) == before + 1
    assert seen_by(cluster, "vllm")[-1]["model"] == "qwen3-30b"


def test_the_plugin_says_how_it_stands(cluster: Cluster) -> None:
    """`kubectl bailiwick`: status, explain, use of limits, and a token that the gateway takes."""
    said = until(
        lambda: plugin("status", "acme"),
        lambda seen: "yes" in seen,
        what="a status without trouble",
    )
    assert TENANT_NAMESPACE in said
    assert "1/1" in said
    explained = plugin("explain", "--tenant=acme", "--team=search", "--model=fast", "--format=json")
    assert json.loads(explained)["allowed"] is True
    used = until(
        lambda: plugin("quota", f"--namespace={TENANT_NAMESPACE}"),
        lambda seen: "each-user" in seen,
        what="the Quotas' use",
        seconds=120,
    )
    assert "tokensPerMonth" in used
    assert "limits#budgetMonth" in plugin("usage", "acme")
    with pytest.raises(CommandError, match="no Tenant binds"):
        plugin("token", f"{TENANT_NAMESPACE}/stranger")
    token = plugin("token", f"{TENANT_NAMESPACE}/ranking-api", "--duration=10m").strip()
    answer = cluster(
        "exec",
        f"--namespace={TENANT_NAMESPACE}",
        "deployment/stranger",
        "--",
        "python",
        "-c",
        "import sys, urllib.request as r;"
        "q = r.Request(sys.argv[1], headers={'authorization': 'Bearer ' + sys.argv[2]});"
        "print(r.urlopen(q, timeout=10).read().decode())",
        f"http://bailiwick.{TENANT_NAMESPACE}.svc/v1/models",
        token,
    )
    assert "fast" in {one["id"] for one in json.loads(answer)["data"]}
