"""The collector, where it is asked for."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from chart.rendering import CHART, kinds, named, rendered, run

from bailiwick_collector.settings import load_settings
from bailiwick_operator.settings import Settings

ON = ("--set=collector.enabled=true", "--set=collector.database.host=postgres.databases.svc")
VAULT = "--set=vault.address=https://vault.vault.svc:8200"
NAME = "bailiwick-collector"


def pod(manifests: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    found: dict[str, Any] = named(manifests, "Deployment", NAME)["spec"]["template"]["spec"]
    return found


def test_it_is_off_unless_asked_for() -> None:
    """Without it there is no trace of it, and gateways keep ledgers of their own."""
    assert NAME not in {one["metadata"]["name"] for one in rendered()}
    said = named(rendered(), "ConfigMap", "bailiwick-operator")["data"]["operator.yaml"]
    assert NAME not in said


@pytest.mark.parametrize(
    "login", [VAULT, "--set=collector.database.secretName=database-login"], ids=["vault", "secret"]
)
def test_both_programs_understand_their_settings(login: str, tmp_path: Path) -> None:
    """What the chart writes is what collector and operator read, and both mean the same place."""
    manifests = rendered(*ON, login)
    file = tmp_path / "collector.yaml"
    file.write_text(named(manifests, "ConfigMap", NAME)["data"]["collector.yaml"])
    said = load_settings(file)
    text = named(manifests, "ConfigMap", "bailiwick-operator")["data"]["operator.yaml"]
    operator = msgspec.yaml.decode(text, type=Settings)

    assert said.database.host == "postgres.databases.svc"
    assert said.database.tls == "verify-full"
    assert operator.gateway.collector.address == f"{NAME}.bailiwick-system.svc:8444"
    assert operator.gateway.collector.audience == said.audience
    (other,) = operator.stream.others
    assert other.names == (f"{NAME}.bailiwick-system.svc",)
    secrets = [one["secret"]["secretName"] for one in pod(manifests)["volumes"] if "secret" in one]
    assert other.secret in secrets


def test_it_may_ask_whose_a_token_is_and_nothing_else() -> None:
    """Reviews and bindings by name: no Secret, no list, no write."""
    rules = named(rendered(*ON, VAULT), "ClusterRole", NAME)["rules"]

    assert [(one["resources"], one["verbs"]) for one in rules] == [
        (["tokenreviews"], ["create"]),
        (["tenantbindings"], ["get"]),
    ]


def test_its_pod_is_restricted_and_holds_no_secret_value() -> None:
    """As Pod Security wants it; neither arguments nor environment name a login."""
    found = pod(rendered(*ON, VAULT))
    (container,) = found["containers"]

    assert found["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert container["command"] == ["bailiwick-collector", "serve"]
    assert "env" not in container
    tls = next(one for one in found["volumes"] if one["name"] == "tls")
    assert [one["key"] for one in tls["secret"]["items"]] == ["tls.crt", "tls.key"]


def test_cert_manager_makes_its_certificate_too() -> None:
    """Of the same issuer as the operator's; the operator makes none then."""
    manifests = rendered(
        *ON, VAULT, "--set=tls.certManager.enabled=true", "--set=tls.certManager.issuerRef.name=in"
    )
    text = named(manifests, "ConfigMap", "bailiwick-operator")["data"]["operator.yaml"]

    issuer = named(manifests, "Certificate", f"{NAME}-tls")["spec"]["issuerRef"]["name"]
    assert issuer == "in"
    assert "others" not in yaml.safe_load(text)["stream"]


def test_one_replica_has_no_disruption_budget() -> None:
    """It would keep its node from being drained."""
    names = {
        one["metadata"]["name"]
        for one in rendered(*ON, VAULT, "--set=collector.replicas=1")
        if one["kind"] == "PodDisruptionBudget"
    }
    assert NAME not in names
    assert "PodDisruptionBudget" in kinds(rendered(*ON, VAULT))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--set=collector.enabled=true", VAULT), "host"),
        (ON, "set vault.address"),
        ((*ON, VAULT, "--set=collector.database.tls=disable"), "tls"),
    ],
)
def test_what_can_not_work_is_refused(options: tuple[str, ...], words: str) -> None:
    """Before anything is installed, with what to set."""
    answer = run("template", "bailiwick", str(CHART), *options)

    assert answer.returncode != 0
    assert words in answer.stderr
