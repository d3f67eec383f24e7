"""Where the API server is and how the operator proves who it is."""

import base64
import os
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bailiwick_contract.errors import BailiwickError
from bailiwick_operator.secret import Secret

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its own token, CA and namespace."""

TOKEN_AGE_S = 60.0
"""How long a token file is believed: kubelet renews it well before it expires."""


class NoConnectionError(BailiwickError):
    """No way to the API server was found, or what was found can't be used."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One API server: base URL, TLS with its CA (and a client certificate), a token source."""

    server: str
    tls: ssl.SSLContext
    token: Callable[[], Secret]
    namespace: str

    def headers(self) -> dict[str, str]:
        """Headers that prove who is calling; made anew for each call, for tokens are renewed."""
        token = self.token()
        return {"Authorization": f"Bearer {token.reveal()}"} if token else {}


def connect(environ: Mapping[str, str] = os.environ) -> Connection:
    """The pod's own account where there is one, else the current context of KUBECONFIG.

    Raises NoConnectionError where neither is there or the kubeconfig needs a plugin to log in.
    """
    if (ACCOUNT / "token").exists() and "KUBERNETES_SERVICE_HOST" in environ:
        return _from_pod(environ)
    path = Path(environ.get("KUBECONFIG") or "~/.kube/config").expanduser()
    if not path.exists():
        raise NoConnectionError(
            f"no service account in {ACCOUNT} and no kubeconfig at {path}: run inside a cluster"
            " or set KUBECONFIG"
        )
    return _from_kubeconfig(path)


def _from_pod(environ: Mapping[str, str]) -> Connection:
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ.get("KUBERNETES_SERVICE_PORT", "443")
    host = f"[{host}]" if ":" in host else host
    return Connection(
        server=f"https://{host}:{port}",
        tls=ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt")),
        token=_reading(ACCOUNT / "token"),
        namespace=(ACCOUNT / "namespace").read_text().strip(),
    )


def _from_kubeconfig(path: Path) -> Connection:
    try:
        document = yaml.safe_load(path.read_text())
        context = _named(document["contexts"], document["current-context"])["context"]
        cluster = _named(document["clusters"], context["cluster"])["cluster"]
        user = _named(document["users"], context["user"])["user"]
        server = str(cluster["server"])
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise NoConnectionError(
            f"{path} has no usable current context ({error!r}): see `kubectl config view`"
        ) from error
    if "exec" in user or "auth-provider" in user:
        raise NoConnectionError(
            f"the user of {path} logs in by a plugin, which is not supported: use a kubeconfig"
            " with a token or a client certificate"
        )
    if server.startswith("http://") or cluster.get("insecure-skip-tls-verify"):
        raise NoConnectionError(
            f"{path} names an API server without verified TLS: give its CA as"
            " certificate-authority-data"
        )
    tls = ssl.create_default_context(
        cadata=_content(cluster, "certificate-authority", path),
    )
    certificate = _content(user, "client-certificate", path)
    key = _content(user, "client-key", path)
    if certificate and key:
        _load_pair(tls, certificate, key)
    if "tokenFile" in user:
        token = _reading(path.parent / user["tokenFile"])
    else:
        fixed = Secret(str(user.get("token", "")))
        token = lambda: fixed  # noqa: E731 - a constant source
    return Connection(
        server=server.rstrip("/"),
        tls=tls,
        token=token,
        namespace=str(context.get("namespace", "default")),
    )


def _named(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    for item in items:
        if item["name"] == name:
            return item
    raise KeyError(name)


def _content(entry: Mapping[str, Any], field: str, path: Path) -> str | None:
    if data := entry.get(f"{field}-data"):
        return base64.b64decode(str(data)).decode()
    if name := entry.get(field):
        return (path.parent / str(name)).read_text()
    return None


def _load_pair(tls: ssl.SSLContext, certificate: str, key: str) -> None:
    """Load a client certificate; Python's ssl reads it from a file only."""
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as pem:
        pem.write(f"{certificate}\n{key}\n")
        pem.flush()
        tls.load_cert_chain(pem.name)


def _reading(path: Path) -> Callable[[], Secret]:
    read_at = -TOKEN_AGE_S
    value = Secret("")

    def token() -> Secret:
        nonlocal read_at, value
        now = time.monotonic()
        if now - read_at >= TOKEN_AGE_S:
            value, read_at = Secret(path.read_text().strip()), now
        return value

    return token
