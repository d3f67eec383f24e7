"""A real Vault that logs in the service accounts of a real API server, by both methods."""

import hashlib
import shutil
import time
from pathlib import Path
from typing import Any

from cluster.control_plane import ControlPlane
from vault.vault_binary import PLUGIN, find_or_build_plugin
from vault.vault_server import VaultServer

AUDIENCE = "vault"
RBAC = "/apis/rbac.authorization.k8s.io/v1"


def start_vault(folder: Path) -> VaultServer:
    """A Vault with the Kubernetes auth method registered by its SHA-256."""
    plugins = folder / "plugins"
    plugins.mkdir(parents=True)
    program = plugins / PLUGIN
    shutil.copy(find_or_build_plugin(), program)
    server = VaultServer(folder / "vault", plugins=plugins)
    digest = hashlib.sha256(program.read_bytes()).hexdigest()
    server.write(
        f"sys/plugins/catalog/auth/{PLUGIN}", {"sha256": digest, "command": PLUGIN}, method="PUT"
    )
    return server


def trust_by_kubernetes(server: VaultServer, plane: ControlPlane, *, reviewer: str) -> None:
    """Have Vault ask the API server whose a token is, with this token; empty: with that one."""
    server.write("sys/auth/kubernetes", {"type": PLUGIN})
    server.write(
        "auth/kubernetes/config",
        {
            "kubernetes_host": f"https://127.0.0.1:{plane.port}",
            "kubernetes_ca_cert": (plane.folder / "ca.crt").read_text(),
            "token_reviewer_jwt": reviewer,
            "disable_local_ca_jwt": True,
        },
    )


def trust_by_jwt(server: VaultServer, plane: ControlPlane) -> None:
    """Have Vault check signatures with the keys that the cluster publishes."""
    let_keys_be_read(plane)
    server.write("sys/auth/jwt", {"type": "jwt"})
    server.write(
        "auth/jwt/config",
        {
            "jwks_url": f"https://127.0.0.1:{plane.port}/openid/v1/jwks",
            "jwks_ca_pem": (plane.folder / "ca.crt").read_text(),
            "bound_issuer": "https://kubernetes.default.svc.cluster.local",
        },
    )


def let_keys_be_read(plane: ControlPlane) -> None:
    """The cluster's public keys are for everyone, as a Vault outside of it needs them."""
    bind(
        plane,
        "keys-for-all",
        "system:service-account-issuer-discovery",
        {"kind": "Group", "name": "system:unauthenticated"},
    )


def reviewer_token(plane: ControlPlane) -> str:
    """The token of an account that may review others'."""
    account(plane, "vault", "vault-reviewer")
    subject = {"kind": "ServiceAccount", "name": "vault-reviewer", "namespace": "vault"}
    bind(plane, "vault-reviewer", "system:auth-delegator", subject)
    return token(plane, "vault", "vault-reviewer", audience="")


def account(plane: ControlPlane, namespace: str, name: str) -> None:
    """Have this service account, and its namespace."""
    plane.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        f"/api/v1/namespaces/{namespace}",
    )
    plane.apply(
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": name, "namespace": namespace},
        },
        f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}",
    )


def token(plane: ControlPlane, namespace: str, name: str, *, audience: str = AUDIENCE) -> str:
    """A token as kubelet would project it; empty audience: the API server's own."""
    spec: dict[str, Any] = {"expirationSeconds": 600}
    if audience:
        spec["audiences"] = [audience]
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    # The account was made a moment ago; the API server's own cache may not have it yet.
    for _ in range(50):
        try:
            return str(plane.request("POST", path, {"spec": spec})["status"]["token"])
        except OSError:
            time.sleep(0.1)
    return str(plane.request("POST", path, {"spec": spec})["status"]["token"])


def bind(plane: ControlPlane, name: str, role: str, subject: dict[str, str]) -> None:
    """Give a cluster role to a subject."""
    if subject["kind"] != "ServiceAccount":
        subject = {"apiGroup": "rbac.authorization.k8s.io", **subject}
    plane.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": role,
            },
            "subjects": [subject],
        },
        f"{RBAC}/clusterrolebindings/{name}",
    )
