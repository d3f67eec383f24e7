"""A real Vault for tests: a development server in memory, its API, and its troubles."""

import contextlib
import json
import os
import re
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
from agent.gateway_process import free_port, wait_for
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from vault.vault_binary import find_or_build

ROOT = "root-of-the-test"
ROLE = "bailiwick-acme"
AUDIENCE = "vault"
SUBJECT = "system:serviceaccount:acme-prod:bailiwick-gateway"


class VaultServer:
    """One server. `path` below is an API path without `/v1/`."""

    def __init__(self, folder: Path, *, tls: bool = False, plugins: Path | None = None) -> None:
        """`plugins` is a folder whose programs it may run once they are registered."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.scheme = "https" if tls else "http"
        self.address = f"{self.scheme}://127.0.0.1:{self.port}"
        self.ca = folder / "vault-ca.pem" if tls else None
        self.output = folder / "vault.log"
        self.audit = folder / "audit.log"
        options = ["-dev-tls", f"-dev-tls-cert-dir={folder}"] if tls else []
        if plugins is not None:
            options.append(f"-dev-plugin-dir={plugins}")
        # Nothing of the developer's own Vault may have a part in this.
        clean = {k: v for k, v in os.environ.items() if not k.startswith("VAULT_")}
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [
                    *(find_or_build(), "server", "-dev", "-dev-no-store-token"),
                    *(f"-dev-root-token-id={ROOT}", f"-dev-listen-address=127.0.0.1:{self.port}"),
                    *options,
                ],
                stdout=output,
                stderr=output,
                env={**clean, "HOME": str(folder), "SKIP_SETCAP": "1"},
            )
        wait_for("Vault answers", self._is_up, 60)
        self.write("sys/audit/file", {"type": "file", "options": {"file_path": str(self.audit)}})

    def _is_up(self) -> bool:
        assert self.process.poll() is None, self.output.read_text()
        if self.ca is not None and not self.ca.exists():
            return False
        with contextlib.suppress(OSError):
            return self.call("GET", "sys/health")[0] == 200
        return False

    def call(
        self, method: str, path: str, body: object = None, *, token: str = ROOT
    ) -> tuple[int, dict[str, Any]]:
        request = urllib.request.Request(
            f"{self.address}/v1/{path}",
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"X-Vault-Token": token},
        )
        context = ssl.create_default_context(cafile=str(self.ca)) if self.ca else None
        try:
            with urllib.request.urlopen(request, timeout=10, context=context) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else {}
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or b"{}")

    def write(self, path: str, body: object, *, method: str = "POST") -> dict[str, Any]:
        status, said = self.call(method, path, body)
        assert status < 300, (path, status, said)
        return said

    # --- content ---

    def put_key(
        self,
        path: str,
        key: str,
        *,
        key_id: str = "",
        field: str = "api_key",
        mount: str = "secret",
    ) -> int:
        """Write a new version, with what its provider calls it; its number."""
        data = {field: key} | ({f"{field}_id": key_id} if key_id else {})
        said = self.write(f"{mount}/data/{path}", {"data": data})
        return int(said["data"]["version"])

    def policy(self, *paths: str, name: str = ROLE) -> None:
        """Let the role read exactly these API paths."""
        rules = "\n".join(f'path "{path}" {{ capabilities = ["read"] }}' for path in paths)
        self.write(f"sys/policies/acl/{name}", {"policy": rules or "# nothing"}, method="PUT")

    # --- troubles ---

    def seal(self) -> None:
        self.write("sys/seal", {}, method="PUT")

    def unseal(self) -> None:
        key = re.search(r"Unseal Key: (\S+)", self.output.read_text())
        assert key is not None
        said = self.write("sys/unseal", {"key": key[1]}, method="PUT")
        assert said["sealed"] is False
        wait_for("an active Vault", lambda: self.call("GET", "sys/health")[0] == 200)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It accepts connections and answers nothing."""
        self.process.send_signal(signal.SIGSTOP)
        # The signal is on its way: until every thread stands, an answer may still come.
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            while (task / "stat").read_text().rpartition(")")[2].split()[0] != "T":
                time.sleep(0.001)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def asked(self, operation: str, prefix: str) -> list[str]:
        """Paths that begin so and were asked for, as its audit log says; tests never read keys."""
        lines = (json.loads(line) for line in self.audit.read_text().splitlines())
        return [
            one["request"]["path"]
            for one in lines
            if one["type"] == "request"
            and one["request"]["operation"] == operation
            and one["request"].get("path", "").startswith(prefix)
        ]

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()


class Cluster:
    """Stands for a Kubernetes cluster that signs service-account tokens."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def public(self) -> str:
        return (
            self._key.public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            .decode()
        )

    def token(self, *, subject: str = SUBJECT, audience: str = AUDIENCE, ttl: int = 600) -> str:
        now = int(time.time())
        return jwt.encode(
            {
                "iss": "https://cluster.test", "aud": [audience], "sub": subject,
                "iat": now, "nbf": now - 5, "exp": now + ttl,
            },
            self._key,
            algorithm="RS256",
        )  # fmt: skip


def trust(server: VaultServer, cluster: Cluster, *, mount: str = "jwt", **role: object) -> None:
    """Have the server log in the gateway's service account of this cluster."""
    server.write(f"sys/auth/{mount}", {"type": "jwt"})
    server.write(f"auth/{mount}/config", {"jwt_validation_pubkeys": [cluster.public()]})
    server.write(
        f"auth/{mount}/role/{ROLE}",
        {
            "role_type": "jwt",
            "bound_audiences": [AUDIENCE],
            "bound_subject": SUBJECT,
            "user_claim": "sub",
            "token_policies": [ROLE],
            "token_ttl": "1h",
            **role,
        },
    )
