"""A collector in a process of its own, with its certificate; and the clients that trust it."""

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import msgspec
import yaml
from agent.gateway_process import free_port, wait_for
from collector.postgres_server import PostgresServer
from collector.samples import login

from bailiwick_operator.tls import issue
from bailiwick_sidecar.ledger.address import CollectorAddress
from bailiwick_sidecar.ledger.remote import OPTIONS, CollectorSink
from bailiwick_sidecar.ledger.rows import Owner

NAME = "bailiwick-collector.bailiwick-system.svc"
AUDIENCE = "bailiwick-collector"


class ApiDouble:
    """Stands in for the API server where a test is not about it: reviews and TenantBindings.

    A token `gateway-of-NAMESPACE` is that of NAMESPACE's gateway; `others-token` is another
    account's.
    `tenants` maps namespaces to their tenants. test_trust.py asks a real API server instead.
    """

    def __init__(self, folder: Path, tenants: dict[str, str]) -> None:
        self.tenants = tenants
        self.away = False
        self.reviews = 0
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self._answer(double.review(body["spec"]))

            def do_GET(self) -> None:
                namespace = self.path.split("/")[5]
                tenant = double.tenants.get(namespace)
                self._answer({"spec": {"tenant": tenant}} if tenant else None)

            def _answer(self, found: dict[str, Any] | None) -> None:
                status = 503 if double.away else 200 if found is not None else 404
                data = json.dumps(found or {}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.socket = _tls(folder).wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.kubeconfig = folder / "kubeconfig"
        cluster = {
            "server": f"https://localhost:{self._server.server_port}",
            "certificate-authority": "api-ca.pem",
        }
        document = {
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": {"token": "of-the-collector"}}],
        }
        self.kubeconfig.write_text(yaml.safe_dump(document))

    def review(self, spec: dict[str, Any]) -> dict[str, Any]:
        """What a TokenReview says of this token."""
        self.reviews += 1
        token = spec["token"]
        namespace = "lobby" if token == "others-token" else token.removeprefix("gateway-of-")
        if namespace == token:
            return {"status": {"authenticated": False}}
        account = "default" if token == "others-token" else "bailiwick-gateway"
        prefix = "authentication.kubernetes.io/pod"
        user = {
            "username": f"system:serviceaccount:{namespace}:{account}",
            "extra": {f"{prefix}-name": ["gw"], f"{prefix}-uid": ["uid"]},
        }
        return {"status": {"authenticated": True, "user": user, "audiences": spec["audiences"]}}

    def close(self) -> None:
        """Stop it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _tls(folder: Path) -> Any:
    made = issue(["localhost"], now=datetime.now(UTC))
    (folder / "api-ca.pem").write_bytes(made.ca_certificate)
    (folder / "api.pem").write_bytes(made.certificate + made.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "api.pem")
    return context


class CollectorProcess:
    """`bailiwick-collector serve`; killed and started again at will, at the same port."""

    def __init__(self, folder: Path, server: PostgresServer, kubeconfig: Path) -> None:
        self.folder = folder
        self.port, self.metrics_port = free_port(), free_port()
        self._kubeconfig = kubeconfig
        self._process: subprocess.Popen[bytes] | None = None
        made = issue([NAME, "localhost"], now=datetime.now(UTC))
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(made.ca_certificate)
        (folder / "tls.crt").write_bytes(made.certificate)
        (folder / "tls.key").write_bytes(made.key)
        self.settings = folder / "collector.yaml"
        said = {
            "address": f"127.0.0.1:{self.port}",
            "metrics": f"127.0.0.1:{self.metrics_port}",
            "certificates": str(folder),
            "reviewSeconds": 1.0,
            "database": {
                "host": "127.0.0.1",
                "port": server.port,
                "tls": "disable",
                "credentials": {"folder": str(login(folder / "login"))},
            },
        }
        self.settings.write_bytes(msgspec.yaml.encode(said))

    def start(self, *, ready: bool = True) -> None:
        """Start it; with `ready` wait until it has seen the database."""
        with (self.folder / "collector.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bailiwick_collector", "serve", "--settings", self.settings],
                stdout=log,
                stderr=log,
                env={**os.environ, "KUBECONFIG": str(self._kubeconfig)},
            )
        if ready:
            wait_for("the collector is ready", lambda: self.get("/readyz")[0] == 200, 60)

    def get(self, path: str) -> tuple[int, str]:
        """An answer of its metrics' port; 0 where there is none."""
        try:
            url = f"http://127.0.0.1:{self.metrics_port}{path}"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            assert self._process is not None
            assert self._process.poll() is None, self.log()
            return 0, ""

    def log(self) -> str:
        """What it has said so far."""
        return (self.folder / "collector.log").read_text()

    def signal(self, number: int) -> int:
        """Send it a signal and wait for its end; returns the exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(60)

    def kill(self) -> None:
        """Kill -9."""
        self.signal(signal.SIGKILL)

    def stop(self) -> None:
        """End it if it runs."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def address(self, namespace: str) -> CollectorAddress:
        """Where a gateway of this namespace brings its rows."""
        token = self.folder / f"{namespace}.token"
        token.write_text(f"gateway-of-{namespace}\n")
        return CollectorAddress(address=f"localhost:{self.port}", ca=self.ca, token=token)

    def sink(self, tenant: str, namespace: str = "", *, token: str = "") -> CollectorSink:
        """A gateway's sink, of this tenant by its own account."""
        place = self.address(namespace or f"{tenant}-prod")
        if token:
            other = self.folder / "other.token"
            other.write_text(token)
            place = replace(place, token=other)
        return CollectorSink(
            place, Owner(tenant, namespace or f"{tenant}-prod", "EUR"), options=OPTIONS
        )

    @contextmanager
    def channel(self) -> Iterator[grpc.Channel]:
        """A channel that trusts its certificate and nothing else."""
        credentials = grpc.ssl_channel_credentials(self.ca.read_bytes())
        with grpc.secure_channel(f"localhost:{self.port}", credentials) as made:
            yield made
