"""A real kube-apiserver on a real etcd, for as long as a test session lasts."""

import base64
import json
import socket
import ssl
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self

import yaml
from cluster.binaries import find_or_build
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bailiwick_operator.kube.connection import Connection
from bailiwick_operator.secret import Secret

CRDS = Path(__file__).parent.parent.parent / "crds"
ISSUER = "https://kubernetes.default.svc.cluster.local"
ADMIN, EDITOR = "admin-token", "editor-token"
USERS = (
    f'{ADMIN},admin,admin-uid,"system:masters"\n'
    f'{EDITOR},tenant-editor,editor-uid,"system:authenticated"\n'
)


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(slots=True)
class ControlPlane:
    """etcd and kube-apiserver; `with` starts and stops them."""

    folder: Path
    port: int = 0
    etcd_port: int = 0
    _processes: list[subprocess.Popen[bytes]] | None = None

    def __enter__(self) -> Self:
        binaries = find_or_build()
        self.port, self.etcd_port = free_port(), free_port()
        self._processes = []
        self._pki()
        peer = free_port()
        self._start(
            str(binaries / "etcd"),
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls=http://127.0.0.1:{self.etcd_port}",
            f"--advertise-client-urls=http://127.0.0.1:{self.etcd_port}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster=default=http://127.0.0.1:{peer}",
            "--unsafe-no-fsync",
        )
        self.start_apiserver()
        self.wait()
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes or []):
            process.kill()
            process.wait()

    def start_apiserver(self) -> subprocess.Popen[bytes]:
        """Start the API server; a second time after it was killed."""
        at = self.folder
        return self._start(
            str(find_or_build() / "kube-apiserver"),
            f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--tls-cert-file={at / 'server.crt'}",
            f"--tls-private-key-file={at / 'server.key'}",
            f"--token-auth-file={at / 'users.csv'}",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/16",
            f"--service-account-issuer={ISSUER}",
            f"--service-account-key-file={at / 'accounts.key'}",
            f"--service-account-signing-key-file={at / 'accounts.key'}",
            f"--api-audiences={ISSUER},bailiwick-operator",
            "--disable-admission-plugins=ServiceAccount",
            f"--cert-dir={at / 'generated'}",
            "--max-requests-inflight=2000",
            "--max-mutating-requests-inflight=1000",
        )

    def wait(self, seconds: float = 90.0) -> None:
        """Return when the API server says that it is ready."""
        deadline = time.monotonic() + seconds
        last = "no answer"
        while time.monotonic() < deadline:
            try:
                self.request("GET", "/readyz")
            except (OSError, ValueError) as error:
                last = str(error)
            else:
                return
            for process in self._processes or []:
                if process.poll() is not None:
                    raise RuntimeError(f"{process.args!r} ended: see {self.folder}")
            time.sleep(0.1)
        raise RuntimeError(f"the API server was not ready after {seconds} s: {last}")

    def connection(self, token: str = ADMIN) -> Connection:
        """How the operator's client reaches it."""
        return Connection(
            server=f"https://127.0.0.1:{self.port}",
            tls=self._tls(),
            token=lambda: Secret(token),
            namespace="default",
        )

    def kubeconfig(self, token: str = ADMIN) -> Path:
        """A kubeconfig file for this user."""
        authority = base64.b64encode((self.folder / "ca.crt").read_bytes()).decode()
        server = f"https://127.0.0.1:{self.port}"
        path = self.folder / f"{token}.kubeconfig"
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [
                {
                    "name": "test",
                    "cluster": {"server": server, "certificate-authority-data": authority},
                }
            ],
            "users": [{"name": "test", "user": {"token": token}}],
        }
        path.write_text(yaml.safe_dump(document))
        return path

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str = ADMIN,
        kind: str = "json",
        accept: str = "application/json",
    ) -> Any:
        """One call, for tests' own hands; raises urllib's HTTPError."""
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {token}",
                "Accept": accept,
                "Content-Type": {
                    "json": "application/json",
                    "merge": "application/merge-patch+json",
                    "apply": "application/apply-patch+yaml",
                }[kind],
            },
        )
        with urllib.request.urlopen(request, context=self._tls(), timeout=30) as answer:
            text = answer.read().decode()
        return json.loads(text) if text[:1] in "{[" else text

    def apply(self, manifest: dict[str, Any], path: str) -> Any:
        """Apply one object as a user's kubectl would."""
        return self.request("PATCH", f"{path}?fieldManager=test&force=true", manifest, kind="apply")

    def install_crds(self) -> None:
        """Install this repository's CRDs, and wait until they are served."""
        documents = [
            document
            for file in sorted(CRDS.glob("*.yaml"))
            for document in yaml.safe_load_all(file.read_text())
        ]
        root = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        for document in documents:
            self.apply(document, f"{root}/{document['metadata']['name']}")
        deadline = time.monotonic() + 30
        for document in documents:
            path = f"{root}/{document['metadata']['name']}"
            while not _established(self.request("GET", path)):
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{path} was not established")
                time.sleep(0.05)

    def kill_apiserver(self) -> None:
        """End the API server as a crash does."""
        process = (self._processes or []).pop()
        process.kill()
        process.wait()

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        name = Path(command[0]).name
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        if self._processes is not None:
            self._processes.append(process)
        return process

    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.folder / "ca.crt"))

    def _pki(self) -> None:
        now = datetime.now(UTC)
        ca_key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test-ca")])
        builder = x509.CertificateBuilder().serial_number(x509.random_serial_number())
        span = (now - timedelta(minutes=5), now + timedelta(days=2))
        ca = (
            builder.subject_name(name)
            .issuer_name(name)
            .public_key(ca_key.public_key())
            .not_valid_before(span[0])
            .not_valid_after(span[1])
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=False,
                    content_commitment=False,
                    key_encipherment=False,
                    data_encipherment=False,
                    key_agreement=False,
                    key_cert_sign=True,
                    crl_sign=True,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False
            )
            .sign(ca_key, hashes.SHA256())
        )
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = (
            builder.subject_name(
                x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube-apiserver")])
            )
            .issuer_name(name)
            .public_key(key.public_key())
            .not_valid_before(span[0])
            .not_valid_after(span[1])
            .add_extension(
                x509.SubjectAlternativeName(
                    [x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost")]
                ),
                critical=False,
            )
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()),
                critical=False,
            )
            .sign(ca_key, hashes.SHA256())
        )
        accounts = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = serialization.Encoding.PEM
        (self.folder / "ca.crt").write_bytes(ca.public_bytes(pem))
        (self.folder / "server.crt").write_bytes(leaf.public_bytes(pem))
        (self.folder / "server.key").write_bytes(_private(key))
        (self.folder / "accounts.key").write_bytes(_private(accounts))
        (self.folder / "users.csv").write_text(USERS)


def _private(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _established(crd: Any) -> bool:
    # `null` until the server has looked at it, which a busy machine shows.
    conditions = crd.get("status", {}).get("conditions") or []
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)
