"""A Vault in the cluster, set up as docs/keys/setup.md says, and a provider that wants its key."""

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from e2e.client import Cluster, repository

VAULT = "bailiwick-e2e-vault"
"""Its namespace."""
ADDRESS = f"https://vault.{VAULT}.svc:8200"
KEY_PATH = "secret/llm/acme/openai"
KEYS = ("sk-CANARY-e2e-1f4c", "sk-CANARY-e2e-2b9d")
"""The provider's key before and after it is rotated."""
ROOT = "root-of-the-e2e"
PLUGIN = "vault-plugin-auth-kubernetes"

SERVE = f"""
mkdir -p /tmp/tls
exec vault server -dev -dev-tls -dev-tls-cert-dir=/tmp/tls -dev-tls-san=vault.{VAULT}.svc \\
  -dev-listen-address=0.0.0.0:8200 -dev-root-token-id={ROOT} -dev-no-store-token \\
  -dev-plugin-dir=/usr/local/lib/vault
"""

SET_UP = f"""
set -eu
sum=$(sha256sum /usr/local/lib/vault/{PLUGIN} | cut -d' ' -f1)
vault plugin register -sha256=$sum auth {PLUGIN}
vault auth enable -path=kubernetes {PLUGIN}
vault write auth/kubernetes/config kubernetes_host=https://kubernetes.default.svc
"""


def manifests(image: str) -> list[dict[str, Any]]:
    """One pod in memory, which reviews gateways' tokens with its own account."""
    environment = {
        "HOME": "/tmp",
        "SKIP_SETCAP": "1",
        "VAULT_ADDR": "https://127.0.0.1:8200",
        "VAULT_CACERT": "/tmp/tls/vault-ca.pem",
        "VAULT_TOKEN": ROOT,
    }
    container = {
        "name": "vault",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", SERVE],
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "readinessProbe": {"exec": {"command": ["vault", "status"]}, "periodSeconds": 1},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    pod = {
        "serviceAccountName": "vault",
        "terminationGracePeriodSeconds": 2,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "fsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    labels = {"app": "vault"}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _named()},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": VAULT},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "system:auth-delegator",
            },
            "subjects": [{"kind": "ServiceAccount", "name": "vault", "namespace": VAULT}],
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": _named(),
            "spec": {"selector": labels, "ports": [{"port": 8200}]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": _named(),
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        },
    ]


def in_vault(cluster: Cluster, script: str) -> str:
    """What this shell script prints in Vault's pod, as its administrator."""
    return cluster("exec", f"--namespace={VAULT}", "deployment/vault", "--", "sh", "-c", script)


def set_up(cluster: Cluster) -> str:
    """Vault trusts the cluster, and the operator as the documentation has it; Vault's CA."""
    in_vault(cluster, SET_UP)
    in_vault(cluster, "set -eu\n" + documented_policy())
    return in_vault(cluster, "cat /tmp/tls/vault-ca.pem")


def documented_policy() -> str:
    """The commands of docs/keys/setup.md that let the operator in, as they are printed."""
    page = (repository() / "docs" / "keys" / "setup.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return next(one for one in blocks if one.startswith("vault policy write bailiwick.operator"))


def put_key(cluster: Cluster, key: str) -> None:
    """A new version of the tenant's key."""
    in_vault(cluster, f"vault kv put {KEY_PATH} api_key={key}")


@cache
def certificate(host: str) -> tuple[str, str]:
    """A certificate that is its own authority, and its key, as PEM; the same each time."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(pem).decode(), private.decode()


def _named() -> dict[str, str]:
    return {"name": "vault", "namespace": VAULT}
