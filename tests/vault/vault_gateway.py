"""The agent with the real Envoy, its keys in a real Vault."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from agent.gateway_process import ISSUER, Gateway, Provider, Signer, wait_for
from vault.vault_server import ROLE


class VaultGateway(Gateway):
    """A gateway that is told where Vault is and nothing of any key."""

    def __init__(self, folder: Path, *, address: str, token_file: Path, **options: object) -> None:
        super().__init__(folder)
        self.options = {"address": address, "token-file": token_file, "method": "jwt", **options}

    def start_agent(self) -> None:
        told = [f"--vault-{name}={value}" for name, value in self.options.items()]
        with self.output.open("ab") as output:
            self.agent = subprocess.Popen(
                [
                    sys.executable, "-m", "bailiwick_sidecar",
                    "--run-dir", self.run, "--state-dir", self.state, "--config", self.config,
                    "--listen", f"127.0.0.1:{self.port}",
                    "--metrics", f"127.0.0.1:{self.metrics}",
                    *told,
                ],
                stdout=output, stderr=output,
            )  # fmt: skip

    def start(self, config: dict[str, Any]) -> None:
        """Both processes run; the gateway need not be ready."""
        self.write(config)
        self.start_agent()
        self.start_envoy()

    def serve(self, config: dict[str, Any]) -> None:
        """Start, and wait until it is ready."""
        self.start(config)
        wait_for("readiness", self.ready)

    def metric(self, name: str, **labels: str) -> float | None:
        """A sample's value; None where there is none."""
        text = self.get("/metrics", port=self.metrics)[1].decode()
        for line in text.splitlines():
            series, _, value = line.rpartition(" ")
            if series.partition("{")[0] == name and all(
                f'{label}="{said}"' in series for label, said in labels.items()
            ):
                return float(value)
        return None


def gateway_config(
    signer: Signer, providers: dict[str, Provider], **changes: Any
) -> dict[str, Any]:
    """One route for each provider, named as it; its key lies at llm/acme/<name>."""
    return {
        "contractVersion": 1, "tenant": "acme", "namespace": "acme-prod", "currency": "USD",
        "timeZone": "UTC",
        "issuers": [
            {
                "name": "corp", "kind": "KIND_JWT", "issuer": ISSUER, "audiences": ["llm"],
                "jwksInline": json.dumps({"keys": [signer.jwk()]}),
                "claimMappings": {"team": "team", "user": "sub"},
            }
        ],
        "teams": [{"name": "search", "costCenter": "4711"}],
        "modelAccess": [{"tier": "shared"}],
        "providers": [
            {
                "name": f"ClusterModelProvider/{name}", "protocol": "PROTOCOL_OPENAI",
                "host": "127.0.0.1", "port": provider.port, "path": "/v1",
                "credential": {
                    "type": "TYPE_VAULT", "mount": "secret", "path": f"llm/acme/{name}",
                    "key": "api_key",
                },
            }
            for name, provider in sorted(providers.items())
        ],
        "routes": [
            {"name": name, "aliases": [name], "backends": [backend(name)]}
            for name in sorted(providers)
        ],
        "vault": {"authMount": "jwt", "role": ROLE},
        **changes,
    }  # fmt: skip


def backend(name: str, **changes: Any) -> dict[str, Any]:
    """The provider of this name as a backend."""
    return {
        "name": name, "provider": f"ClusterModelProvider/{name}", "model": f"model-{name}",
        "tier": "shared", "weight": 1, "maxOutputTokens": 500, **changes,
    }  # fmt: skip


class KeyedProvider(Provider):
    """A provider that takes the keys in `valid` alone, and remembers which one it was shown."""

    def __init__(self, *valid: str) -> None:
        self.valid = set(valid)
        self.refusals = 0
        super().__init__()
        # A gateway that is killed leaves its connections: no news here.
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]

    def answer(self, handler: Any, body: dict[str, Any]) -> None:
        key = handler.headers.get("authorization", "").removeprefix("Bearer ")
        if key not in self.valid:
            self.refusals += 1
            text = (
                b'{"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}'
            )
            handler.send_response(401)
            handler.send_header("content-type", "application/json")
            handler.send_header("content-length", str(len(text)))
            handler.end_headers()
            handler.wfile.write(text)
            return
        super().answer(handler, body)

    def keys(self) -> list[str]:
        """The keys of all attempts, in order."""
        return [
            one["headers"].get("authorization", "").removeprefix("Bearer ") for one in self.seen
        ]
