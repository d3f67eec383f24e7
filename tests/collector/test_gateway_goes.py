"""A gateway pod that goes away takes no row with it: real agent, Envoy, collector, PostgreSQL.

The agent is ended as kubelet ends it: after Envoy, by SIGTERM. Its journal goes with the pod.
"""

import contextlib
import hashlib
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agent.gateway_process import Gateway, Provider, Signer, wait_for
from agent.test_agent_with_envoy import config
from collector.collector_process import ApiDouble, CollectorProcess
from collector.postgres_server import PASSWORD, WRITER, PostgresServer
from google.protobuf import json_format

from bailiwick_collector.migrating import migrate
from bailiwick_contract.canon import canonical_bytes
from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig

TENANTS = ("late", "slow", "never", "killed", "dying")


class Pod(Gateway):
    """Agent and Envoy as the pod's containers run them; the config is that of its ConfigMap."""

    def __init__(self, folder: Path, collector: CollectorProcess, tenant: str) -> None:
        super().__init__(folder)
        self.tenant, self.mount = tenant, folder / "config" / "current"
        self.mount.mkdir(parents=True)
        place = collector.address(f"{tenant}-prod")
        self.variables = {
            "NAMESPACE": f"{tenant}-prod",
            "RUN_DIR": str(self.run),
            "DATA_DIR": str(self.state),
            "CONFIG_DIR": str(self.mount.parent),
            "HTTP_PORT": str(self.port),
            "METRICS_PORT": str(self.metrics),
            "OPERATOR_ADDRESS": "127.0.0.1:1",
            "OPERATOR_CA": str(place.ca),
            "OPERATOR_TOKEN": str(place.token),
            "POD_NAME": "gw",
            "POD_UID": "uid",
            "COLLECTOR_ADDRESS": place.address,
            "COLLECTOR_CA": str(place.ca),
            "COLLECTOR_TOKEN": str(place.token),
        }

    def begin(self, signer: Signer, provider: Provider, *, settle_seconds: int) -> None:
        """Start both and wait until they serve."""
        said = config(signer, provider, provider)
        said |= {"tenant": self.tenant, "namespace": f"{self.tenant}-prod"}
        for one in said["providers"]:
            one["credential"] = {"type": "TYPE_NONE"}
        data = canonical_bytes(json_format.ParseDict(said, TenantConfig()))
        (self.mount / "config.pb").write_bytes(data)
        (self.mount / "sequence").write_text("1")
        (self.mount / "digest").write_text(hashlib.sha256(data).hexdigest())
        self.variables["SETTLE_SECONDS"] = str(settle_seconds)
        self.agent, self.envoy = self.part("agent"), self.part("envoy")
        wait_for(f"ready; see {self.output}", self.ready, 90)

    def part(self, name: str) -> "subprocess.Popen[bytes]":
        with self.output.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "bailiwick_sidecar.pod.main", name],
                env={f"BAILIWICK_{key}": value for key, value in self.variables.items()},
                stdout=output,
                stderr=output,
            )

    def end(self, number: int = signal.SIGTERM) -> None:
        """End Envoy, then tell the agent, as kubelet does with a native sidecar."""
        assert self.envoy is not None
        assert self.agent is not None
        self.envoy.send_signal(number)
        self.envoy.wait(20)
        self.agent.send_signal(signal.SIGTERM)

    def ended(self, seconds: float) -> int:
        assert self.agent is not None
        return self.agent.wait(seconds)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A PostgreSQL that these tests may kill."""
    made = PostgresServer(tmp_path_factory.mktemp("postgres-of-those-who-go"))
    try:
        migrate(made.url())
        made.execute(f"CREATE ROLE {WRITER} LOGIN PASSWORD '{PASSWORD}' IN ROLE bailiwick_writer")
        yield made
    finally:
        made.stop()


@pytest.fixture
def collector(tmp_path: Path, server: PostgresServer) -> Iterator[CollectorProcess]:
    (tmp_path / "api").mkdir()
    (tmp_path / "collector").mkdir()
    api = ApiDouble(tmp_path / "api", {f"{name}-prod": name for name in TENANTS})
    process = CollectorProcess(tmp_path / "collector", server, api.kubeconfig)
    process.start()
    yield process
    process.stop()
    api.close()


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    yield made
    made.close()


def states(server: PostgresServer, tenant: str) -> list[str]:
    """States of the tenant's rows in the database."""
    said = f"SELECT state FROM attempts WHERE tenant = '{tenant}' ORDER BY 1"
    return [str(one[0]) for one in server.query(said)]


@contextlib.contextmanager
def pod(folder: Path, collector: CollectorProcess, tenant: str) -> Iterator[Pod]:
    made = Pod(folder / "pod", collector, tenant)
    try:
        yield made
    finally:
        made.stop()


def test_rows_arrive_when_the_collector_comes_back(
    tmp_path: Path, collector: CollectorProcess, server: PostgresServer, provider: Provider
) -> None:
    """Away as the pod is ended: the agent waits with the last rows, ships them, and ends."""
    signer = Signer()
    with pod(tmp_path, collector, "late") as gateway:
        gateway.begin(signer, provider, settle_seconds=60)
        token = signer.token()
        assert gateway.chat(token)[0] == 200
        wait_for("the first row", lambda: states(server, "late") == ["settled"])
        collector.kill()
        assert [gateway.chat(token)[0] for _ in range(3)] == [200] * 3
        gateway.end()
        wait_for("it drains", lambda: "agent_draining" in gateway.output.read_text())
        left = wait_for("a count", lambda: (gateway.status().get("remainder") or {}).get("rows"))
        assert left == 3
        assert gateway.agent is not None
        assert gateway.agent.poll() is None
        collector.start()
        assert gateway.ended(60) == 0
    assert states(server, "late") == ["settled"] * 4


def test_rows_arrive_when_the_database_comes_back(
    tmp_path: Path, collector: CollectorProcess, server: PostgresServer, provider: Provider
) -> None:
    """The collector is there, its PostgreSQL was killed: the same."""
    signer = Signer()
    with pod(tmp_path, collector, "slow") as gateway:
        gateway.begin(signer, provider, settle_seconds=60)
        server.kill()
        try:
            assert gateway.chat(signer.token())[0] == 200
            gateway.end()
            wait_for("it fails", lambda: "ledger_unavailable" in gateway.output.read_text(), 60)
        finally:
            server.start()
        assert gateway.ended(60) == 0
    assert states(server, "slow") == ["settled"]


def test_what_never_arrives_is_said(
    tmp_path: Path, collector: CollectorProcess, provider: Provider
) -> None:
    """After its time the agent ends; the log says how many rows are left, where, and why."""
    signer = Signer()
    with pod(tmp_path, collector, "never") as gateway:
        gateway.begin(signer, provider, settle_seconds=1)
        collector.kill()
        assert [gateway.chat(signer.token())[0] for _ in range(2)] == [200] * 2
        gateway.end()
        assert gateway.ended(40) == 0
        said = gateway.output.read_text()
    assert f"event=rows_left rows=2 place={gateway.state / 'journal'}" in said
    assert "keeps no rows" in said


def test_a_killed_agent_ships_after_its_restart(
    tmp_path: Path, collector: CollectorProcess, server: PostgresServer, provider: Provider
) -> None:
    """Kill -9 of the waiting agent, which kubelet starts again: the rows are in the journal."""
    signer = Signer()
    with pod(tmp_path, collector, "killed") as gateway:
        gateway.begin(signer, provider, settle_seconds=60)
        collector.kill()
        assert [gateway.chat(signer.token())[0] for _ in range(3)] == [200] * 3
        gateway.end()
        wait_for("it waits", lambda: (gateway.status().get("remainder") or {}).get("rows") == 3)
        assert gateway.agent is not None
        gateway.agent.kill()
        gateway.agent.wait()
        gateway.agent = gateway.part("agent")
        wait_for("open", lambda: gateway.output.read_text().count("event=admission_open") == 2, 60)
        gateway.agent.send_signal(signal.SIGTERM)
        collector.start()
        assert gateway.ended(60) == 0
    assert states(server, "killed") == ["settled"] * 3


def test_a_call_that_died_with_envoy_has_its_row(
    tmp_path: Path, collector: CollectorProcess, server: PostgresServer, provider: Provider
) -> None:
    """Envoy is killed in the middle of a call: nobody will know, and the ledger says so.

    The journal goes with the pod, so that no later agent could.
    """
    signer = Signer()
    with pod(tmp_path, collector, "dying") as gateway:
        gateway.begin(signer, provider, settle_seconds=60)
        provider.hold.clear()
        answers: list[Any] = []
        caller = threading.Thread(target=lambda: answers.append(gateway.chat(signer.token())))
        caller.start()
        wait_for("the provider has it", lambda: provider.seen)
        gateway.end(signal.SIGKILL)
        assert gateway.ended(60) == 0
        provider.hold.set()
        caller.join(30)
    assert states(server, "dying") == ["unknown"]
