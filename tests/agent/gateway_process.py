"""A real gateway for tests: the agent's process, the real Envoy, and a provider that remembers."""

import base64
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf import json_format

from bailiwick_contract.canon import canonical_bytes
from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig

ENVOY = Path(sys.executable).parent / "envoy"
ISSUER = "https://idp.test"
T = TypeVar("T")


def wait_for(what: str, probe: Callable[[], T | None], seconds: float = 30) -> T:
    """The probe's first true answer; fails with `what` after the time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := probe():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not in {seconds} s: {what}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Provider:
    """An OpenAI-compatible provider; `status` is what it answers, `seen` what it got."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.status = 200
        self.hold = threading.Event()
        self.hold.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.seen.append({"path": self.path, "body": body, "headers": dict(self.headers)})
                outer.hold.wait(20)
                outer.answer(self, body)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def answer(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
        if self.status != 200:
            text = json.dumps({"error": {"message": "told", "code": "told"}}).encode()
        elif body.get("stream"):
            chunks = [
                {"choices": [{"index": 0, "delta": {"content": "hi"}}]},
                {"choices": [], "usage": usage},
            ]
            text = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)
            text += b"data: [DONE]\n\n"
        else:
            message = {"role": "assistant", "content": "hi"}
            text = json.dumps(
                {"choices": [{"index": 0, "message": message}], "usage": usage}
            ).encode()
        handler.send_response(self.status)
        kind = "text/event-stream" if body.get("stream") else "application/json"
        handler.send_header("content-type", kind)
        handler.send_header("content-length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)

    def close(self) -> None:
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Signer:
    """An ES256 key of a test's issuer."""

    def __init__(self, kid: str = "k1") -> None:
        self.kid = kid
        self._key = ec.generate_private_key(ec.SECP256R1())

    def jwk(self) -> dict[str, str]:
        numbers = self._key.public_key().public_numbers()
        x, y = (
            base64.urlsafe_b64encode(number.to_bytes(32, "big")).decode().rstrip("=")
            for number in (numbers.x, numbers.y)
        )
        return {"kty": "EC", "crv": "P-256", "kid": self.kid, "x": x, "y": y}

    def token(self, **claims: object) -> str:
        now = int(time.time())
        said = {
            "iss": ISSUER, "aud": "llm", "sub": "alice", "team": "search",
            "iat": now, "nbf": now - 5, "exp": now + 600, **claims,
        }  # fmt: skip
        return jwt.encode(said, self._key, algorithm="ES256", headers={"kid": self.kid})


class KeySet:
    """An issuer's key set behind an address; `asked` are the moments at which it was fetched."""

    def __init__(self, *signers: Signer) -> None:
        self.signers = list(signers)
        self.asked: list[float] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(time.monotonic())
                text = json.dumps({"keys": [one.jwk() for one in outer.signers]}).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{self._server.server_address[1]}/jwks.json"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Gateway:
    """One agent and one Envoy in a folder."""

    def __init__(self, folder: Path, *, secrets: dict[str, dict[str, str]] | None = None) -> None:
        self.run, self.state = folder / "run", folder / "state"
        for directory in (self.run, self.state):
            directory.mkdir(parents=True)
        self.config = folder / "config.bin"
        self.secrets = folder / "secrets.yaml"
        self.secrets.touch(mode=0o600)
        self.secrets.write_text(json.dumps(secrets or {}))
        self.port, self.metrics = free_port(), free_port()
        self.output = folder / "output.log"
        self.agent: subprocess.Popen[bytes] | None = None
        self.envoy: subprocess.Popen[bytes] | None = None

    def write(self, said: dict[str, Any] | bytes) -> None:
        """Put a config in place by rename."""
        data = (
            said
            if isinstance(said, bytes)
            else canonical_bytes(json_format.ParseDict(said, TenantConfig()))
        )
        fresh = self.config.with_suffix(".new")
        fresh.write_bytes(data)
        fresh.rename(self.config)

    def start_agent(self) -> None:
        with self.output.open("ab") as output:
            self.agent = subprocess.Popen(
                [
                    sys.executable, "-m", "bailiwick_sidecar",
                    "--run-dir", self.run, "--state-dir", self.state, "--config", self.config,
                    "--listen", f"127.0.0.1:{self.port}",
                    "--metrics", f"127.0.0.1:{self.metrics}",
                    "--secrets", self.secrets,
                ],
                stdout=output, stderr=output,
            )  # fmt: skip

    def start_envoy(self) -> None:
        # Its messages take two seconds to import: only what starts Envoy needs them.
        from bailiwick_sidecar.xds.bootstrap import (  # noqa: PLC0415
            BootstrapSettings,
            bootstrap,
            envoy_command,
        )

        settings = BootstrapSettings(node_id="test", cluster="test")
        (self.run / "envoy.json").write_text(bootstrap(settings))
        command = envoy_command(
            ENVOY, config="envoy.json", concurrency=1, node_id="test", cluster="test"
        )
        with self.output.open("ab") as output:
            self.envoy = subprocess.Popen(command, cwd=self.run, stdout=output, stderr=output)

    def status(self) -> dict[str, Any]:
        """What the agent says of itself; empty before it said anything."""
        try:
            return dict(json.loads((self.run / "status.json").read_bytes()))
        except (OSError, ValueError):
            return {}

    def get(self, path: str, *, port: int | None = None, token: str = "") -> tuple[int, bytes]:
        """Status (0: nobody there) and body."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return self.request("GET", path, headers=headers, port=port)[:2]

    def chat(self, token: str, **body: object) -> tuple[int, bytes, dict[str, str]]:
        said = {"model": "fast", "messages": [{"role": "user", "content": "hello"}], **body}
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        return self.request("POST", "/v1/chat/completions", headers=headers, body=json.dumps(said))

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str],
        body: str = "",
        port: int | None = None,
    ) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=20)
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())
        except OSError:
            return 0, b"", {}
        finally:
            connection.close()

    def ready(self) -> bool:
        assert self.agent is not None
        assert self.agent.poll() is None, self.output.read_text()
        return self.get("/readyz")[0] == 200

    def stop(self) -> None:
        for process in (self.envoy, self.agent):
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(15)
                if process.poll() is None:
                    os.kill(process.pid, signal.SIGKILL)
                    process.wait()
