"""A key planted in Vault, used by a gateway, is in nothing that the cluster keeps."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from agent.gateway_process import ISSUER, Signer
from cluster.control_plane import ControlPlane
from cluster.operator_kit import apply_all, ensure_namespace, until_says
from cluster.pod_kit import PodGateway
from cluster.test_vault_grants import managing, plane, resources, server  # noqa: F401 - fixtures
from cluster.waiting import eventually
from vault.vault_gateway import KeyedProvider
from vault.vault_server import VaultServer

CANARY = "sk-CANARY-8e21"
PATH = "llm/canary/openai"


def kept(plane: ControlPlane) -> list[bytes]:  # noqa: F811 - a parameter
    """Everything that etcd has on its disk: its database with what was overwritten, and its log."""
    return [file.read_bytes() for file in (plane.folder / "etcd").rglob("*") if file.is_file()]


def test_etcd_events_and_logs_never_see_a_key(
    plane: ControlPlane,  # noqa: F811 - the fixture
    server: VaultServer,  # noqa: F811 - the fixture
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """While it serves, is rotated, refused, missing, too old, denied; with real processes.

    What may be there is: the path of the key, and the pod's words on what is wrong with it.
    """
    caplog.set_level(logging.DEBUG)
    provider = KeyedProvider(CANARY)
    try:
        output = asyncio.run(Story(plane, server, tmp_path, provider).told())
    finally:
        provider.close()

    assert "event=key_read" in output
    assert CANARY not in output
    files = kept(plane)
    assert any(PATH.encode() in text for text in files), "the scan sees what is there"
    assert any(b"KeyMissing" in text for text in files)
    assert not any(CANARY.encode() in text for text in files)
    events = plane.request("GET", "/apis/events.k8s.io/v1/namespaces/canary-prod/events")
    reasons = {one["reason"] for one in events["items"]}
    assert "KeyMissing" in reasons
    # Whichever it was when the condition turned.
    assert reasons & {"KeyAging", "KeyTooOld"}
    assert CANARY not in json.dumps(events)
    assert CANARY not in caplog.text
    assert caplog.records


class Story:
    """A tenant, its gateway and its key, and all that happens to the key."""

    def __init__(
        self,
        plane: ControlPlane,  # noqa: F811 - a parameter
        server: VaultServer,  # noqa: F811 - a parameter
        folder: Path,
        provider: KeyedProvider,
    ) -> None:
        self.plane, self.server, self.folder = plane, server, folder
        self.provider, self.signer = provider, Signer()
        self.resources = resources("canary")

    async def told(self) -> str:
        """What the gateway's processes printed meanwhile."""
        tenant, models, route = self.resources
        (caller,) = tenant["spec"]["callers"]["jwt"]
        keys = json.dumps({"keys": [self.signer.jwk()]})
        caller |= {"issuer": ISSUER, "jwks": {"inline": keys}}
        models["spec"]["baseURL"] = f"http://127.0.0.1:{self.provider.port}/v1"
        self.server.put_key(PATH, CANARY)
        await asyncio.to_thread(ensure_namespace, self.plane, "canary-prod")
        async with managing(self.plane, self.server, self.folder) as operator:
            await asyncio.to_thread(apply_all, self.plane, self.resources)
            await until_says(self.plane, tenant, "VaultGranted", "True", "Granted")
            gateway = await asyncio.to_thread(
                PodGateway, self.folder / "pod", self.plane, self.server, namespace="canary-prod"
            )
            try:
                gateway.begin(f"localhost:{operator.port}")
                await self.happens(gateway, route)
            finally:
                await asyncio.to_thread(gateway.stop)
            return gateway.output.read_text()

    async def happens(self, gateway: PodGateway, route: dict[str, Any]) -> None:
        second = f"{CANARY}-2"
        await self.until_answered(gateway, 200)
        await asyncio.to_thread(gateway.pod.ready)
        await until_says(self.plane, route, "Programmed", "True", "Programmed")
        self.provider.valid = {second}
        self.server.put_key(PATH, second)
        await self.until_answered(gateway, 200)
        self.provider.valid = set()
        await self.until_answered(gateway, 503)
        self.provider.valid = {second}
        self.server.write(f"secret/data/{PATH}", {"data": {"other": CANARY}})
        await until_says(self.plane, route, "Accepted", "False", "KeyMissing")
        self.server.put_key(PATH, second)
        await until_says(self.plane, route, "Accepted", "True", "Accepted")
        await until_says(self.plane, route, "Degraded", "True", "KeyTooOld")
        policy = {"policy": "# nothing"}
        self.server.write("sys/policies/acl/bailiwick-canary", policy, method="PUT")
        await until_says(self.plane, route, "Degraded", "True", "CredentialRevoked")

    async def until_answered(self, gateway: PodGateway, status: int) -> None:
        async def answered() -> bool:
            said, *_ = await asyncio.to_thread(gateway.chat, self.signer.token())
            return said == status

        await eventually(answered, within=60)
