"""A deleted tenant and an uninstalled chart leave nothing but what was written."""

from e2e.calls import call
from e2e.client import Cluster, until
from e2e.conftest import Story
from e2e.vaulted import in_vault
from e2e.world import RELEASE, SYSTEM, TENANT_NAMESPACE, helm


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
