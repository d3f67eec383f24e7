"""What goes wrong around an operator: outages, old watches, rivals, meddlers, old certificates."""

import asyncio
import base64
import contextlib
import json
import logging
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import msgspec
import pytest
from cluster.control_plane import ControlPlane
from cluster.line import Line
from cluster.operator_kit import (
    Agent,
    apply_all,
    background,
    ensure_namespace,
    operating,
    path_of,
    settings,
    tenant,
    until_says,
)
from cluster.test_crash_between_writes import Killed
from cluster.waiting import eventually

from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_operator import app

LEASE = "/apis/coordination.k8s.io/v1/namespaces/bailiwick-system/leases/bailiwick-operator"


def stored(plane: ControlPlane, namespace: str) -> TenantConfig:
    """The config from which a gateway pod would start now."""
    path = f"/api/v1/namespaces/{namespace}/configmaps/bailiwick-gateway-config"
    content = plane.request("GET", path)["binaryData"]["config.pb"]
    return TenantConfig.FromString(base64.b64decode(content))


def compact(plane: ControlPlane) -> None:
    """Let etcd forget all but the newest revision, as it does by itself after five minutes."""

    def etcd(path: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{plane.etcd_port}/v3/{path}", data=json.dumps(body).encode()
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    revision = etcd("kv/range", {"key": "YQ=="})["header"]["revision"]
    etcd("kv/compaction", {"revision": revision, "physical": True})


def test_watches_that_are_too_old_begin_anew(
    control_plane: ControlPlane, caplog: pytest.LogCaptureFixture
) -> None:
    """Cut off, and history compacted meanwhile: after 410 Gone nothing that happened is missed."""
    caplog.set_level(logging.DEBUG, logger="kopf")

    async def run() -> None:
        plane = control_plane
        ensure_namespace(plane, "gone-prod")
        resources = tenant("gone", "gone-prod")
        apply_all(plane, resources)
        async with Line(plane.port).laid() as line:  # noqa: SIM117 - the second needs its port
            async with operating(ControlPlane(plane.folder, port=line.port)):
                await until_says(plane, resources[2], "Programmed", "False", "NoReadyReplica")
                line.cut()
                route = resources[2]
                changed = {**route, "spec": {**route["spec"], "aliases": ["later"]}}
                await asyncio.to_thread(apply_all, plane, [changed])
                await asyncio.to_thread(plane.request, "DELETE", path_of(resources[3]))
                await asyncio.to_thread(plane.kill_apiserver)
                await asyncio.to_thread(compact, plane)
                await asyncio.to_thread(plane.start_apiserver)
                await asyncio.to_thread(plane.wait)
                line.mend()

                async def caught_up() -> bool:
                    config = await asyncio.to_thread(stored, plane, "gone-prod")
                    quotas = [one.id for one in config.limits if one.id.startswith("Quota/")]
                    return list(config.routes[0].aliases) == ["later"] and not quotas

                await eventually(caught_up, within=60)

    asyncio.run(run())
    assert "Restarting the watch-stream" in caplog.text


def test_one_of_two_operators_works(control_plane: ControlPlane, tmp_path: Path) -> None:
    """The second waits for the first, takes over when it ends, and ends when it is deposed."""

    async def run() -> None:
        plane = control_plane
        ensure_namespace(plane, "pair-prod")
        resources = tenant("pair", "pair-prod")
        async with operating(plane, msgspec.structs.replace(settings(), identity="first")):
            with rival(plane, tmp_path) as (process, log):
                await until_written(log, "waiting for the lease bailiwick-operator, which is held")
                await asyncio.to_thread(apply_all, plane, resources)
                await until_says(plane, resources[2], "Programmed", "False", "NoReadyReplica")
                assert "operator started" not in log.read_text()
                # The first is deposed by what an administrator would do.
                await asyncio.to_thread(hand_over, plane, "second")
                await until_written(log, "operator started")
                changed = {**resources[2], "spec": {**resources[2]["spec"], "aliases": ["quick"]}}
                await asyncio.to_thread(apply_all, plane, [changed])
                await until_says(plane, resources[2], "Accepted", "True", "Accepted")

                await asyncio.to_thread(hand_over, plane, "third")
                await asyncio.to_thread(process.wait, 60)
                assert "run one operator in a cluster" in log.read_text()
                lease = await asyncio.to_thread(plane.request, "GET", LEASE)
                assert lease["spec"]["holderIdentity"] == "third"
        await asyncio.to_thread(plane.request, "DELETE", LEASE)

    asyncio.run(run())


def hand_over(plane: ControlPlane, holder: str) -> None:
    """Write another holder into the lease."""
    plane.request("PATCH", LEASE, {"spec": {"holderIdentity": holder}}, kind="merge")


@contextlib.contextmanager
def rival(plane: ControlPlane, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A second operator, as a process of its own, and its log."""
    said = msgspec.structs.replace(settings(), identity="second")
    (folder / "operator.yaml").write_bytes(msgspec.yaml.encode(said))
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "bailiwick_operator", "--settings", folder / "operator.yaml"],
            stdout=out,
            stderr=out,
            env={**os.environ, "KUBECONFIG": str(plane.kubeconfig())},
        )
    try:
        yield process, log
    finally:
        process.kill()
        process.wait()


async def until_written(log: Path, words: str) -> None:
    """Return once the log has these words."""

    async def written() -> bool:
        return words in await asyncio.to_thread(log.read_text)

    await eventually(written, within=60)


def test_a_restart_publishes_before_it_writes(control_plane: ControlPlane) -> None:
    """While the API server takes no write, agents get what changed in the operator's absence."""

    async def run() -> None:
        plane = control_plane
        ensure_namespace(plane, "first-prod")
        resources = tenant("first", "first-prod")
        apply_all(plane, resources)
        async with operating(plane):
            await until_says(plane, resources[2], "Programmed", "False", "NoReadyReplica")
        route = resources[2]
        apply_all(plane, [{**route, "spec": {**route["spec"], "aliases": ["meanwhile"]}}])
        agent = Agent(plane, "first-prod", "gw").make()
        killed = Killed(writes=0)
        async with (
            killed.applied(),
            operating(plane) as operator,
            background(agent.serve(operator)),
        ):

            async def told() -> bool:
                return bool(agent.received)

            await eventually(told)
            assert list(agent.config.routes[0].aliases) == ["meanwhile"]

    asyncio.run(run())


def test_a_namespace_that_is_being_deleted_is_left_alone(control_plane: ControlPlane) -> None:
    """Nothing is made in it, the Tenant says why, and nothing fails."""

    async def run() -> None:
        plane = control_plane
        for name in ("ending", "steady"):
            ensure_namespace(plane, f"{name}-prod")
            apply_all(plane, tenant(name, f"{name}-prod"))
        plane.request("DELETE", "/api/v1/namespaces/ending-prod")
        async with operating(plane) as operator:

            async def said() -> bool:
                path = path_of(tenant("ending", "ending-prod")[0])
                found = await asyncio.to_thread(plane.request, "GET", path)
                return "Namespace ending-prod is being deleted" in str(found.get("status"))

            await eventually(said)
            steady = tenant("steady", "steady-prod")[2]
            await until_says(plane, steady, "Programmed", "False", "NoReadyReplica")
            assert operator.probe()["failed"] == 0
        bindings = "/apis/bailiwick.dev/v1alpha1/namespaces/ending-prod/tenantbindings"
        assert plane.request("GET", bindings)["items"] == []

    asyncio.run(run())


def test_other_writers_keep_what_is_theirs(control_plane: ControlPlane) -> None:
    """Another manager's own fields stay; what it takes of ours comes back; then there is peace."""

    async def run() -> None:
        plane = control_plane
        ensure_namespace(plane, "rival-prod")
        resources = tenant("rival", "rival-prod")
        apply_all(plane, resources)
        path = "/apis/apps/v1/namespaces/rival-prod/deployments/bailiwick-gateway"
        theirs = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "bailiwick-gateway", "labels": {"cost": "shared"}},
            "spec": {"replicas": 5},
        }
        async with operating(plane) as operator:
            await until_says(plane, resources[2], "Programmed", "False", "NoReadyReplica")
            await asyncio.to_thread(plane.apply, theirs, path)

            async def taken_back() -> bool:
                found = await asyncio.to_thread(plane.request, "GET", path)
                return bool(found["spec"]["replicas"] == 1)

            await eventually(taken_back)
            status = {"status": {"conditions": []}}
            route = path_of(resources[2])
            await asyncio.to_thread(plane.request, "PATCH", f"{route}/status", status, kind="merge")
            await until_says(plane, resources[2], "Accepted", "True", "Accepted")

            async def idle() -> bool:
                return bool(operator.probe()["waiting"] == 0)

            await eventually(idle)
            found = await asyncio.to_thread(plane.request, "GET", path)
            assert found["metadata"]["labels"]["cost"] == "shared"
            assert operator.probe()["failed"] == 0

    asyncio.run(run())


def test_gitops_sees_no_drift(control_plane: ControlPlane) -> None:
    """A server-side dry run of what users wrote changes nothing of what is there."""

    async def run() -> None:
        plane = control_plane
        ensure_namespace(plane, "drift-prod")
        resources = tenant("drift", "drift-prod")
        apply_all(plane, resources)
        async with operating(plane):
            for resource in (resources[0], *resources[2:]):
                await until_says(plane, resource, "Programmed", "False", "NoReadyReplica")
        for resource in resources:
            path = path_of(resource)
            there = plane.request("GET", path)
            dry = plane.request(
                "PATCH", f"{path}?fieldManager=test&dryRun=All", resource, kind="apply"
            )
            for one in (there, dry):
                del one["metadata"]["managedFields"]
            assert dry == there

    asyncio.run(run())


def test_an_expired_certificate_is_renewed_while_it_runs(
    control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Agents refuse it until then and connect afterwards, with the same trust as before."""
    ago = [timedelta(days=100)]
    monkeypatch.setattr(app, "_now", lambda: datetime.now(UTC) - ago[0])
    monkeypatch.setattr(app, "UPKEEP_S", 0.3)

    async def run() -> None:
        plane = control_plane
        ensure_namespace(plane, "bailiwick-system")
        secret = "/api/v1/namespaces/bailiwick-system/secrets/bailiwick-operator-tls"
        with contextlib.suppress(urllib.error.HTTPError):
            plane.request("DELETE", secret)
        ensure_namespace(plane, "expired-prod")
        resources = tenant("expired", "expired-prod")
        apply_all(plane, resources)
        agent = Agent(plane, "expired-prod", "gw").make()
        async with operating(plane) as operator:
            trust = (await asyncio.to_thread(plane.request, "GET", secret))["data"]["ca.crt"]
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await asyncio.wait_for(agent.serve(operator), 30)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
            ago[0] = timedelta()

            async def renewed() -> bool:
                with contextlib.suppress(grpc.aio.AioRpcError):
                    await asyncio.wait_for(agent.serve(operator, updates=1), 30)
                return bool(agent.received)

            await eventually(renewed, every=0.3)
            now = (await asyncio.to_thread(plane.request, "GET", secret))["data"]["ca.crt"]
            assert now == trust

    asyncio.run(run())
