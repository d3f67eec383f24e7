"""A deleted tenant and an uninstalled chart leave nothing but what was written."""

from e2e.calls import call
from e2e.client import Cluster, until
from e2e.conftest import Story
from e2e.ledgered import rows
from e2e.seen import metrics, total
from e2e.vaulted import in_vault
from e2e.world import RELEASE, SYSTEM, TENANT_NAMESPACE, helm

COLLECTOR = ("--namespace=bailiwick-system", "deployment/bailiwick-collector")


def test_the_last_rows_come_before_the_end(cluster: Cluster, story: Story) -> None:
    """Deleted while the collector is away: refused at once, gone once the ledger has the rows."""
    until(
        lambda: total(metrics(cluster), "bailiwick_ledger_waiting_rows"),
        lambda seen: seen == 0,
        what="every row so far is in the ledger",
    )
    before = rows(cluster, "acme")
    cluster("scale", *COLLECTOR, "--replicas=0")
    pods = ("pods", COLLECTOR[0], "-l", "app.kubernetes.io/name=bailiwick-collector")
    cluster("wait", *pods, "--for=delete", "--timeout=90s")
    last = [one for _ in range(3) for one in call(cluster, story, "ranking-api", "fast")]
    assert [one["status"] for one in last] == [200] * 3

    cluster("delete", "tenant.bailiwick.dev/acme", timeout=20)
    until(
        lambda: call(cluster, story, "ranking-api", "fast"),
        lambda seen: seen[0]["status"] == 403,
        what="calls are refused",
        seconds=30,
    )
    binding = ("tenantbindings", f"--namespace={TENANT_NAMESPACE}")
    until(
        lambda: notes(cluster, "Settling"),
        lambda seen: "has 3 rows in /var/lib/bailiwick/journal" in seen,
        what="an Event says what is waited for",
    )
    assert "acme" in cluster("get", *binding)
    assert rows(cluster, "acme") == before

    cluster("scale", *COLLECTOR, "--replicas=1")
    until(lambda: cluster.items(*binding), lambda seen: not seen, what="the tenant has left")
    assert rows(cluster, "acme") == before + 3
    assert "the ledger has every row" in notes(cluster, "Settled")
    assert not notes(cluster, "NotSettled")


def notes(cluster: Cluster, reason: str) -> str:
    """What Events of the namespace's TenantBinding say for this reason."""
    fields = f"involvedObject.kind=TenantBinding,reason={reason}"
    events = cluster.items(
        "events", f"--namespace={TENANT_NAMESPACE}", f"--field-selector={fields}"
    )
    return "\n".join(one["message"] for one in events)


def test_a_deleted_tenant_leaves_nothing(cluster: Cluster, story: Story) -> None:
    """No call is served any more, then all that the operator made is gone; the routes stay."""
    (refused,) = call(cluster, story, "ranking-api", "fast")
    assert refused["status"] in (0, 403)
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
