"""A gateway's two processes as its pod would run them, beside a real API server."""

import base64
import subprocess
import sys
from pathlib import Path

from agent.gateway_process import Gateway
from cluster.control_plane import ControlPlane
from cluster.operator_kit import Agent
from cluster.vault_kit import token
from vault.vault_server import VaultServer

OPERATOR_SECRET = "/api/v1/namespaces/bailiwick-system/secrets/bailiwick-operator-tls"


class PodGateway(Gateway):
    """Configs come from the operator, keys from Vault; nothing of either is in its environment.

    Without a `server` there is no Vault, for providers that want no key.
    """

    def __init__(
        self, folder: Path, plane: ControlPlane, server: VaultServer | None, *, namespace: str
    ) -> None:
        super().__init__(folder)
        self.namespace = namespace
        self.pod = Agent(plane, namespace, "gateway-1").make()
        files = {
            "operator.token": self.pod.token,
            "ca.pem": base64.b64decode(
                plane.request("GET", OPERATOR_SECRET)["data"]["ca.crt"]
            ).decode(),
        }
        if server is not None:
            files["vault.token"] = token(plane, namespace, self.pod.account)
        for name, text in files.items():
            (folder / name).write_text(text)
        self.variables = {
            "NAMESPACE": namespace,
            "RUN_DIR": str(self.run),
            "DATA_DIR": str(self.state),
            "CONFIG_DIR": str(folder / "none"),
            "HTTP_PORT": str(self.port),
            "METRICS_PORT": str(self.metrics),
            "OPERATOR_CA": str(folder / "ca.pem"),
            "OPERATOR_TOKEN": str(folder / "operator.token"),
            "POD_NAME": self.pod.name,
            "POD_UID": self.pod.uid,
        }
        if server is not None:
            self.variables |= {
                "VAULT_ADDRESS": server.address,
                "VAULT_METHOD": "jwt",
                "VAULT_TOKEN": str(folder / "vault.token"),
                "VAULT_POLL": "0.5",
                "VAULT_MAX_AGE": "4",
            }

    def begin(self, operator: str) -> None:
        """Start both, with the operator at this address."""
        self.variables["OPERATOR_ADDRESS"] = operator
        self.agent = self._start("agent")
        self.envoy = self._start("envoy")

    def _start(self, part: str) -> subprocess.Popen[bytes]:
        environment = {f"BAILIWICK_{name}": value for name, value in self.variables.items()}
        with self.output.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "bailiwick_sidecar.pod.main", part],
                env=environment,
                stdout=output,
                stderr=output,
            )
