"""What a value changes, and which values are refused."""

import re
from typing import Any

import pytest
import yaml
from chart.rendering import CHART, PROMETHEUS_OPERATOR, ROOT, kinds, named, rendered, run

ISSUER = (
    "--set=tls.certManager.enabled=true",
    "--set=tls.certManager.issuerRef.name=internal",
)
MONITORS = {"PodMonitor", "PrometheusRule"}


def operator_pod(manifests: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    found: dict[str, Any] = named(manifests, "Deployment", "bailiwick-operator")
    pod: dict[str, Any] = found["spec"]["template"]["spec"]
    return pod


def settings(manifests: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    text = named(manifests, "ConfigMap", "bailiwick-operator")["data"]["operator.yaml"]
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def test_monitors_come_where_their_api_is() -> None:
    """A cluster without the Prometheus operator gets nothing that it can't store."""
    assert not MONITORS & kinds(rendered())
    assert kinds(rendered(*PROMETHEUS_OPERATOR)) >= MONITORS


@pytest.mark.parametrize(
    ("value", "kind"),
    [("podMonitor.enabled", "PodMonitor"), ("monitoring.rules", "PrometheusRule")],
)
def test_monitors_can_be_insisted_on_and_refused(value: str, kind: str) -> None:
    """Each by itself: rendered without a cluster, or left out where its API is."""
    assert kind in kinds(rendered(f"--set={value}=true"))
    assert kind not in kinds(rendered(*PROMETHEUS_OPERATOR, f"--set={value}=false"))


def test_the_dashboard_goes_without_labels_and_without_itself() -> None:
    """Whoever imports it by hand needs no label, whoever has another needs no dashboard."""
    bare = rendered("--set=monitoring.dashboardLabels.grafana_dashboard=null")
    labels = named(bare, "ConfigMap", "bailiwick-dashboard")["metadata"]["labels"]
    none = rendered("--set=monitoring.dashboard=false")

    assert "grafana_dashboard" not in labels
    assert [one["metadata"]["name"] for one in none if one["kind"] == "ConfigMap"] == [
        "bailiwick-operator"
    ]


def test_without_cert_manager_the_operator_makes_its_own() -> None:
    """Nothing of cert-manager's API is there, and no directory of certificates is set."""
    assert "Certificate" not in kinds(rendered())
    assert "certificates" not in settings(rendered())["stream"]


def test_with_cert_manager_its_certificate_is_what_the_operator_reads() -> None:
    """The Secret that is asked for is the one mounted, where the settings look."""
    manifests = rendered(*ISSUER)
    secret = named(manifests, "Certificate", "bailiwick-operator-tls")["spec"]["secretName"]
    pod = operator_pod(manifests)
    (mount,) = [one for one in pod["containers"][0]["volumeMounts"] if one["name"] == "tls"]

    assert {"name": "tls", "secret": {"secretName": secret}} in pod["volumes"]
    assert settings(manifests)["stream"]["certificates"] == mount["mountPath"]


def test_a_changed_setting_is_a_new_pod() -> None:
    """Settings are read once."""

    def checksum(*options: str) -> str:
        deployment = named(rendered(*options), "Deployment", "bailiwick-operator")
        found: str = deployment["spec"]["template"]["metadata"]["annotations"]["checksum/settings"]
        return found

    assert checksum() == checksum("--set=podMonitor.enabled=true")
    assert checksum() != checksum("--set=gateway.drainSeconds=7")


def test_a_digest_wins_over_a_tag() -> None:
    """What is named by content is what runs, as operator and as gateway."""
    digest = "sha256:" + "a" * 64
    manifests = rendered(
        *(f"--set=image.{part}.digest={digest}" for part in ("operator", "gateway")),
        "--set=image.operator.tag=other",
    )

    assert operator_pod(manifests)["containers"][0]["image"] == f"bailiwick-operator@{digest}"
    assert settings(manifests)["gateway"]["image"] == f"bailiwick-gateway@{digest}"


def test_every_pod_is_restricted() -> None:
    """The operator and the chart's test run where PodSecurity `restricted` is enforced."""
    pods = [operator_pod(rendered()), named(rendered(), "Pod", "bailiwick-test")["spec"]]

    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            }


def test_definitions_are_upgraded_and_kept() -> None:
    """CRDs are templates, which an upgrade brings up to date, and outlive the release."""
    written = {
        document["metadata"]["name"]: document["spec"]
        for file in (ROOT / "crds").glob("*.yaml")
        for document in yaml.safe_load_all(file.read_text())
    }
    found = [one for one in rendered() if one["kind"] == "CustomResourceDefinition"]

    assert not (CHART / "crds").exists()
    assert {one["metadata"]["name"]: one["spec"] for one in found} == written
    assert {one["metadata"]["annotations"]["helm.sh/resource-policy"] for one in found} == {"keep"}
    assert "CustomResourceDefinition" not in kinds(rendered("--set=crds.install=false"))


@pytest.mark.parametrize(
    ("options", "named_value"),
    [
        (["--set=operator.wrokers=2"], "wrokers"),
        (["--set=operator.workers=0"], "/operator/workers"),
        (["--set=gateway.drainSeconds=-1"], "/gateway/drainSeconds"),
        (["--set-json=gateway.storage={}"], "/gateway/storage"),
        (["--set=image.operator.digest=latest"], "/image/operator/digest"),
        (["--set=vault.address=http://vault:8200"], "/vault/address"),
        (["--set=vault.manage=true"], "/vault/address"),
        (["--set=tls.certManager.enabled=true"], "/tls/certManager/issuerRef/name"),
        (["--set=podMonitor.enabled=maybe"], "/podMonitor/enabled"),
        (['--set-json=gateway.network.privateRanges=["10.0.0.0"]'], "privateRanges/0"),
    ],
)
def test_a_wrong_value_is_refused_by_name(options: list[str], named_value: str) -> None:
    """Before anything is installed, and the message says which value."""
    answer = run("template", "bailiwick", str(CHART), *options)

    assert answer.returncode != 0
    assert named_value in answer.stderr


def test_the_schema_knows_every_default() -> None:
    """A value that is explained and not checked, or checked and not explained, is a mistake."""
    explained = yaml.safe_load((CHART / "values.yaml").read_text())
    checked = yaml.safe_load((CHART / "values.schema.json").read_text())["properties"]

    assert set(explained) == set(checked) - {"global"}


def notes(*options: str) -> str:
    answer = run("install", "bailiwick", str(CHART), "--dry-run=client", *options)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.partition("\nNOTES:\n")[2]


def test_notes_say_the_next_step_and_what_is_open() -> None:
    """The files they name are there; what is not set is said, what is set is not."""
    whole = (
        *("--set=vault.address=https://vault.vault.svc:8200", "--set=gateway.storage.size=1Gi"),
        '--set-json=gateway.network.monitoring=[{"namespaceLabels":{"name":"m"}}]',
    )

    for file in re.findall(r"examples/\S+\.yaml", notes()):
        assert (ROOT / file).exists()
    assert "helm -n bailiwick-system test bailiwick" in notes()
    for value in ("vault.address", "gateway.storage", "gateway.network.monitoring"):
        assert value in notes()
        assert value not in notes(*whole)
    assert "WARNING" in notes("--set=admission.enabled=false")
