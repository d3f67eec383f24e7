"""The middle of a cluster: an API server, a PostgreSQL, the collector, and the way there.

All real: kube-apiserver on etcd reviews the gateways' tokens, PostgreSQL has the rows. They are
found or brought by what the tests use.
"""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from bench.faults.evidence import Row
from bench.faults.processes import BIN, POLL_S, READY_S, WorldError, children
from bench.faults.relay import Relay
from cluster.binaries import NoBinariesError
from cluster.control_plane import ControlPlane
from cluster.operator_kit import ensure_namespace
from collector.collector_process import CollectorProcess
from collector.postgres_server import (
    OWNER,
    PASSWORD,
    WRITER,
    NoPostgresError,
    PostgresServer,
)

GROUP: Final = "/apis/bailiwick.dev/v1alpha1"
ACCOUNT: Final = "bailiwick-gateway"
AUDIENCE: Final = "bailiwick-collector"
TOKEN_S: Final = 7200
COMMIT_S: Final = 30.0
"""How long it may take until the collector commits something."""


def totals(groups: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What the groups of `ledger top` add up to."""
    return {
        "attempts": str(sum(group["attempts"] for group in groups)),
        "total cost": str(sum((Decimal(group["cost"]) for group in groups), Decimal())),
    }


class Central:
    """Started by `start`; each part can be killed, stopped and started again."""

    def __init__(self, folder: Path, *, tenant: str, namespaces: Sequence[str]) -> None:
        self._folder = folder
        self._tenant = tenant
        self._namespaces = tuple(namespaces)
        self.tokens = folder / "tokens"
        self._duplicates = 0
        self._plane: Any = None
        self.database: Any = None
        self.collector: Any = None
        self._relay: Relay | None = None

    async def start(self) -> None:
        """All of it serves.

        Raises:
            WorldError: a part does not.
        """
        starting = asyncio.ensure_future(asyncio.to_thread(self._start))
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            # What a thread begins, nobody can stop before it is done.
            await asyncio.wait({starting})
            raise
        except (AssertionError, RuntimeError, OSError, NoPostgresError, NoBinariesError) as error:
            raise WorldError(
                f"API server, PostgreSQL or collector do not start: {error}"
            ) from error
        self._relay = Relay(self.collector.port)
        await self._relay.start()

    def _start(self) -> None:
        self.tokens.mkdir(parents=True)
        (self._folder / "api").mkdir()
        # PostgreSQL does not run as root, and has to reach its folder.
        for parent in (self._folder, self._folder.parent):
            parent.chmod(parent.stat().st_mode | 0o055)
        self._plane = ControlPlane(self._folder / "api")
        self._plane.__enter__()
        self._plane.install_crds()
        for namespace in self._namespaces:
            self._admit(namespace)
        self.database = PostgresServer(self._folder / "postgres")
        self._command("bailiwick-collector", "migrate", "--database", self.database.url(OWNER))
        self.database.execute(
            f"CREATE ROLE {WRITER} LOGIN PASSWORD '{PASSWORD}' IN ROLE bailiwick_writer"
        )
        self._command(
            "bailiwick-collector", "reader-role", self._tenant,
            "--database", self.database.url(OWNER),
        )  # fmt: skip
        self.database.execute(f"ALTER ROLE {self._reader} LOGIN PASSWORD '{PASSWORD}'")
        place = self._folder / "collector"
        place.mkdir()
        self.collector = CollectorProcess(place, self.database, self._plane.kubeconfig())
        self.collector.start()

    async def stop(self) -> None:
        """No process of it is left."""
        if self._relay is not None:
            await self._relay.stop()
        await asyncio.to_thread(self._stop)

    def _stop(self) -> None:
        for part in (self.collector, self.database):
            if part is not None:
                part.stop()
        if self._plane is not None:
            self._plane.__exit__(None, None, None)

    @property
    def relay(self) -> Relay:
        """The way from gateways to the collector."""
        if self._relay is None:
            raise WorldError("nothing was started")
        return self._relay

    @property
    def options(self) -> tuple[str, ...]:
        """How `up` is told of it."""
        return (
            "--collector", f"localhost:{self.relay.port}",
            "--collector-ca", str(self.collector.ca),
            "--collector-tokens", str(self.tokens),
        )  # fmt: skip

    def rows(self) -> list[Row]:
        """The tenant's rows, by the command and its own reader."""
        return list(self.asked("export"))

    def summed(self) -> dict[str, str]:
        """What its reader has the database add up: `attempts` and `total cost`."""
        return totals(self.asked("top", "--by", "tenant"))

    def asked(self, *question: str) -> Any:
        """What `bailiwick ledger` answers to the tenant's own reader, as JSON."""
        text = self._command(
            "bailiwick", "ledger", *question, "--format", "json", "--tenant", self._tenant,
            "--database", self.database.url(self._reader),
        )  # fmt: skip
        return json.loads(text)

    def count(self) -> int:
        """Rows that are there, whoever's they are."""
        ((count,),) = self.database.query("SELECT count(*) FROM attempts")
        return int(count)

    def duplicates(self) -> int:
        """Rows that came to the collector a second time."""
        return self._duplicates + self.figure(
            'bailiwick_collector_rows_total{delivery="duplicate"}'
        )

    def figure(self, name: str) -> int:
        """Sum of a metric of the collector, by the beginning of its lines."""
        text = self.collector.get("/metrics")[1]
        return sum(
            int(float(line.rpartition(" ")[2]))
            for line in text.splitlines()
            if line.startswith(name)
        )

    @property
    def _reader(self) -> str:
        return f"bailiwick_reader_{self._tenant}"

    def _command(self, *line: str) -> bytes:
        ran = subprocess.run(
            [BIN / line[0], *line[1:]],
            check=False,
            capture_output=True,
            env={**os.environ, "PGPASSFILE": str(self.database.passfile())},
        )
        if ran.returncode != 0:
            raise WorldError(f"`{' '.join(line[:2])}` failed: {ran.stderr.decode()}")
        return ran.stdout

    def _admit(self, namespace: str) -> None:
        """What the operator and kubelet do for a gateway pod, as far as its rows need it."""
        plane = self._plane
        ensure_namespace(plane, namespace)
        root = f"/api/v1/namespaces/{namespace}"
        binding = {
            "apiVersion": "bailiwick.dev/v1alpha1",
            "kind": "TenantBinding",
            "metadata": {"name": "bailiwick", "namespace": namespace},
            "spec": {"tenant": self._tenant, "tenantUID": f"{self._tenant}-uid"},
        }
        plane.apply(binding, f"{GROUP}/namespaces/{namespace}/tenantbindings/bailiwick")
        account = {"metadata": {"name": ACCOUNT, "namespace": namespace}}
        plane.request("POST", f"{root}/serviceaccounts", account)
        pod = {
            "metadata": {"name": "gateway", "namespace": namespace},
            "spec": {
                "serviceAccountName": ACCOUNT,
                "containers": [{"name": "envoy", "image": "none"}],
            },
        }
        uid = plane.request("POST", f"{root}/pods", pod)["metadata"]["uid"]
        bound = {"apiVersion": "v1", "kind": "Pod", "name": "gateway", "uid": uid}
        spec = {"audiences": [AUDIENCE], "expirationSeconds": TOKEN_S, "boundObjectRef": bound}
        answer = plane.request("POST", f"{root}/serviceaccounts/{ACCOUNT}/token", {"spec": spec})
        (self.tokens / namespace).write_text(answer["status"]["token"])

    def kill_collector(self) -> None:
        """It is dead; what it counted is kept."""
        self._duplicates = self.duplicates()
        self.collector.kill()

    async def start_collector(self) -> None:
        """It serves again."""
        self.collector.start(ready=False)
        await self.serves()

    def processes(self) -> dict[str, list[int]]:
        """Process ids of `database`, `collector` and `api`."""
        # The kits have no words for them.
        main = self.database._process.pid  # noqa: SLF001 - see above
        return {
            "database": [main, *children(main)],
            "collector": [self.collector._process.pid],  # noqa: SLF001 - as above
            "api": [self._plane._processes[-1].pid],  # noqa: SLF001 - as above
        }

    async def serves(self) -> None:
        """The collector has seen the database, which answers.

        Raises:
            WorldError: not so within a minute.
        """
        end = time.monotonic() + READY_S
        while (await asyncio.to_thread(self.collector.get, "/readyz"))[0] != 200:
            if time.monotonic() > end:
                raise WorldError(f"the collector is not ready within {READY_S:.0f} s")
            await asyncio.sleep(POLL_S)
