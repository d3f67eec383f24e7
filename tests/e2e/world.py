"""What the test puts into the cluster, and how it goes again."""

from typing import Any, NoReturn

import yaml
from e2e.client import Cluster, CommandError, program, repository, run
from e2e.ledgered import POSTGRES
from e2e.vaulted import VAULT, certificate

SYSTEM = "bailiwick-system"
TENANT_NAMESPACE = "acme-prod"
MODELS = "models"
MONITORING = "bailiwick-e2e-monitoring"
RELEASE = "bailiwick"
MARK = "bailiwick-e2e"
"""Label of the namespaces that the test made: what has it may be deleted."""

PROVIDERS = ("openai", "vllm")
PROVIDER_PORT = 8000
KEYED = "openai"
"""The provider that takes a key, which is in Vault and nowhere else."""
WORKLOADS = ("ranking-api", "helpdesk-bot")

RESTRICTED: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def namespaces() -> list[dict[str, Any]]:
    """Marked namespaces; the tenant's refuses whatever is not PodSecurity `restricted`."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": name,
                "labels": {MARK: "true", "pod-security.kubernetes.io/enforce": "restricted"},
            },
        }
        for name in (SYSTEM, TENANT_NAMESPACE, MODELS, MONITORING, VAULT, POSTGRES)
    ]


def acme() -> list[dict[str, Any]]:
    """examples/acme with its providers in the cluster: one takes a key, the other none."""
    found = []
    for path in sorted((repository() / "examples" / "acme").glob("*.yaml")):
        for body in yaml.safe_load_all(path.read_text()):
            if body["kind"] == "ClusterModelProvider":
                name = body["metadata"]["name"].partition("-")[0]
                scheme = "https" if name == KEYED else "http"
                address = f"{scheme}://{host_of(name)}:{PROVIDER_PORT}/v1"
                body["spec"] |= {"baseURL": address}
                if name == KEYED:
                    body["spec"]["tls"] = {"caBundle": certificate(host_of(name))[0]}
            found.append(body)
    return found


def host_of(provider: str) -> str:
    """The provider's name in the cluster."""
    return f"{provider}.{MODELS}.svc.cluster.local"


def providers(image: str) -> list[dict[str, Any]]:
    """Providers that count for themselves, one Service each."""
    sources = (repository() / "tests" / "acceptance").glob("counting_*.py")
    crt, key = certificate(host_of(KEYED))
    code = {path.name: path.read_text() for path in sources} | {"tls.crt": crt, "tls.key": key}
    found = [_config_map(MODELS, "provider", code)]
    for name in PROVIDERS:
        found += [
            _deployment(
                MODELS,
                name,
                image,
                [
                    "python",
                    "/code/counting_provider.py",
                    f"--name={name}",
                    "--log=/tmp/calls",
                    "--host=0.0.0.0",
                    f"--port={PROVIDER_PORT}",
                    *(["--tls=/code"] if name == KEYED else []),
                ],
                code="provider",
                port=PROVIDER_PORT,
            ),
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name, "namespace": MODELS},
                "spec": {"selector": {"app": name}, "ports": [{"port": PROVIDER_PORT}]},
            },
        ]
    return found


def workloads(image: str) -> list[dict[str, Any]]:
    """The tenant's workloads, each under its own service account, that hold no key."""
    folder = repository() / "tests" / "e2e" / "caller"
    sources = {path.name: path.read_text() for path in folder.glob("*.py")}
    found = [_config_map(TENANT_NAMESPACE, "caller", sources)]
    for name in (*WORKLOADS, "stranger"):
        account = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": name, "namespace": TENANT_NAMESPACE},
        }
        deployment = _deployment(TENANT_NAMESPACE, name, image, SLEEP, code="caller")
        spec = deployment["spec"]["template"]["spec"]
        spec["serviceAccountName"] = name
        token = {"audience": "bailiwick", "expirationSeconds": 3600, "path": "token"}
        spec["volumes"].append(
            {"name": "token", "projected": {"sources": [{"serviceAccountToken": token}]}}
        )
        container = spec["containers"][0]
        container["volumeMounts"].append(
            {"name": "token", "mountPath": "/var/run/secrets/bailiwick", "readOnly": True}
        )
        container["env"] = [
            {"name": "GATEWAY_URL", "value": f"http://bailiwick.{TENANT_NAMESPACE}.svc/v1"},
            {"name": "GATEWAY_GRPC", "value": f"bailiwick.{TENANT_NAMESPACE}.svc:80"},
        ]
        found += [account, deployment]
    return found


def scraper(image: str) -> list[dict[str, Any]]:
    """A pod where Prometheus would be."""
    return [_deployment(MONITORING, "scraper", image, SLEEP)]


SLEEP = ["python", "-c", "import signal; signal.sigwait({signal.SIGTERM})"]


def helm(*arguments: str, timeout: float = 240) -> str:
    """Run helm on the release's namespace."""
    return run(program("HELM", "helm"), "--namespace", SYSTEM, *arguments, timeout=timeout)


def refuse_a_used_cluster(cluster: Cluster) -> None:
    """Raises where the cluster holds something that this test did not make and would remove."""
    ours = {one["metadata"]["name"] for one in cluster.items("namespaces", "-l", f"{MARK}=true")}
    for name in {TENANT_NAMESPACE, MODELS, SYSTEM, MONITORING, VAULT} - ours:
        if cluster.get("namespace", name) is not None:
            _refuse(f"namespace {name}")
    role = cluster.get("clusterrole", "bailiwick-operator")
    if role is not None:
        where = role["metadata"].get("annotations", {}).get("meta.helm.sh/release-namespace")
        if where not in ours:
            _refuse(f"an operator in namespace {where}")
    written = {(body["kind"], body["metadata"]["name"]) for body in acme()}
    for crd in crds(cluster):
        for one in cluster.items(crd, "--all-namespaces"):
            name, namespace = one["metadata"]["name"], one["metadata"].get("namespace", "")
            if (one["kind"], name) not in written and namespace not in ours:
                _refuse(f"{one['kind']} {namespace}/{name}")


def crds(cluster: Cluster) -> list[str]:
    """Names of Bailiwick's CRDs that the cluster has."""
    names = cluster("get", "crd", "-o", "name").split()
    return [name.partition("/")[2] for name in names if name.endswith(".bailiwick.dev")]


def remove(cluster: Cluster) -> None:
    """Everything goes, also the CRDs, which a release keeps."""
    if "tenants.bailiwick.dev" in crds(cluster):
        cluster("delete", "tenants.bailiwick.dev", "acme", "--ignore-not-found")
    helm("uninstall", RELEASE, "--ignore-not-found", "--wait", "--timeout", "120s")
    cluster("delete", "clusterrolebinding", VAULT, "--ignore-not-found")
    cluster("delete", "namespace", "-l", f"{MARK}=true", "--ignore-not-found", timeout=240)
    if found := crds(cluster):
        cluster("delete", "crd", *found, timeout=240)


def _refuse(what: str) -> NoReturn:
    raise CommandError(
        f"the cluster has {what}, which this test did not make and might remove: name a cluster"
        " for tests with KUBECONFIG"
    )


def _config_map(namespace: str, name: str, data: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": data,
    }


def _deployment(
    namespace: str, name: str, image: str, command: list[str], *, code: str = "", port: int = 0
) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "securityContext": {**RESTRICTED, "readOnlyRootFilesystem": True},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    volumes: list[dict[str, Any]] = [{"name": "tmp", "emptyDir": {}}]
    if code:
        container["volumeMounts"].append({"name": "code", "mountPath": "/code"})
        volumes.append({"name": "code", "configMap": {"name": code}})
    if port:
        container["readinessProbe"] = {"tcpSocket": {"port": port}, "periodSeconds": 1}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "terminationGracePeriodSeconds": 2,
                    "containers": [container],
                    "volumes": volumes,
                },
            },
        },
    }
