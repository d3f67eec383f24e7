"""`make manifests`, and what its file does on a real API server."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart.applying import apply, may, until_served
from chart.rendering import NAMESPACE, ROOT, helm
from cluster.control_plane import ControlPlane

ROLES = ("platform-admin", "tenant-editor", "tenant-viewer")
TEAM = "acme-prod"


def make(target: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The target, with its file in this folder."""
    arguments = [f"{name}={value}" for name, value in variables.items()]
    return subprocess.run(
        ["make", "--no-print-directory", target, f"DIST={folder}", *arguments],
        cwd=ROOT,
        env={**os.environ, "HELM": variables.get("HELM", str(helm()))},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("dist")
    made = make("manifests", folder)
    assert made.returncode == 0, made.stderr
    return [one for one in yaml.safe_load_all((folder / "bailiwick.yaml").read_text()) if one]


@pytest.fixture(scope="module")
def installed(api_server: ControlPlane, manifests: list[dict[str, Any]]) -> ControlPlane:
    """An API server that took the file from top to bottom, and one user for each role."""
    for manifest in manifests:
        apply(api_server, manifest)
    until_served(api_server, "bailiwick.dev/v1alpha1")
    apply(api_server, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TEAM}})
    for role in ROLES:
        cluster_wide = role == "platform-admin"
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding" if cluster_wide else "RoleBinding",
            "metadata": {"name": f"test-{role}", **({} if cluster_wide else {"namespace": TEAM})},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": f"bailiwick-{role}",
            },
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": role}],
        }
        apply(api_server, binding)
    return api_server


def test_the_file_needs_no_helm(installed: ControlPlane, manifests: list[dict[str, Any]]) -> None:
    """In its own order it is taken whole; a second time nothing changes."""
    assert manifests[0]["kind"] == "Namespace"
    assert not [
        one for one in manifests if "helm.sh/hook" in one["metadata"].get("annotations", {})
    ]

    for manifest in manifests:
        first, second = apply(installed, manifest), apply(installed, manifest)
        assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]


def test_values_reach_the_file(tmp_path: Path) -> None:
    """A file of values is Helm's; a wrong one leaves no half-written file."""
    values = tmp_path / "values.yaml"
    values.write_text("gateway: {drainSeconds: 7}\n")
    made = make("manifests", tmp_path, VALUES=str(values))

    assert made.returncode == 0, made.stderr
    assert "drainSeconds: 7" in (tmp_path / "bailiwick.yaml").read_text()

    values.write_text("gateway: {drainSecond: 7}\n")
    (tmp_path / "bailiwick.yaml").unlink()
    refused = make("manifests", tmp_path, VALUES=str(values))

    assert refused.returncode != 0
    assert "drainSecond" in refused.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["values.yaml"]


def test_a_missing_helm_is_named(tmp_path: Path) -> None:
    """With what to do about it."""
    made = make("manifests", tmp_path, HELM=str(tmp_path / "no-helm"))

    assert made.returncode != 0
    assert "install Helm" in made.stderr


@pytest.mark.parametrize(
    ("user", "verb", "resource", "namespace", "allowed"),
    [
        ("platform-admin", "create", "bailiwick.dev/tenants", "", True),
        ("platform-admin", "delete", "bailiwick.dev/pricebooks", "", True),
        ("platform-admin", "patch", "bailiwick.dev/modelroutes", TEAM, True),
        ("platform-admin", "list", "bailiwick.dev/tenantbindings", TEAM, True),
        ("platform-admin", "patch", "bailiwick.dev/tenantbindings", TEAM, False),
        ("platform-admin", "get", "secrets", TEAM, False),
        ("tenant-editor", "create", "bailiwick.dev/modelroutes", TEAM, True),
        ("tenant-editor", "delete", "bailiwick.dev/modelquotas", TEAM, True),
        ("tenant-editor", "get", "bailiwick.dev/tenantbindings", TEAM, True),
        ("tenant-editor", "patch", "bailiwick.dev/tenantbindings", TEAM, False),
        ("tenant-editor", "patch", "bailiwick.dev/modelroutes", "default", False),
        ("tenant-editor", "patch", "bailiwick.dev/tenants", "", False),
        ("tenant-editor", "patch", "bailiwick.dev/clustermodelproviders", "", False),
        ("tenant-viewer", "watch", "bailiwick.dev/modelproviders", TEAM, True),
        ("tenant-viewer", "get", "bailiwick.dev/tenantbindings", TEAM, True),
        ("tenant-viewer", "patch", "bailiwick.dev/modelroutes", TEAM, False),
        ("tenant-viewer", "list", "bailiwick.dev/modelroutes", "default", False),
    ],
)
def test_who_may_what(
    installed: ControlPlane, *, user: str, verb: str, resource: str, namespace: str, allowed: bool
) -> None:
    """By the API server's own judgement, for a user that has the role and nothing else."""
    assert may(installed, user, verb, resource, namespace) is allowed


@pytest.mark.parametrize(
    ("kubernetes", "ours"),
    [("admin", "tenant-editor"), ("edit", "tenant-editor"), ("view", "tenant-viewer")],
)
def test_roles_join_those_of_kubernetes(
    installed: ControlPlane, kubernetes: str, ours: str
) -> None:
    """By the selector that the API server's own role has, and by no other of ours."""
    root = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    rule = installed.request("GET", f"{root}/{kubernetes}")["aggregationRule"]
    selectors = [one["matchLabels"].items() for one in rule["clusterRoleSelectors"]]
    joined = [
        role
        for role in ROLES
        if any(
            one
            <= installed.request("GET", f"{root}/bailiwick-{role}")["metadata"]["labels"].items()
            for one in selectors
        )
    ]

    assert joined == [ours]


def test_the_namespace_is_the_releases(manifests: list[dict[str, Any]]) -> None:
    """Nothing lies in another namespace than the one that the file makes."""
    assert manifests[0]["metadata"]["name"] == NAMESPACE
    assert {one["metadata"].get("namespace", NAMESPACE) for one in manifests} == {NAMESPACE}
