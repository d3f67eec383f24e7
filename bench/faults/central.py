"""The middle of a cluster: an API server, a PostgreSQL, the collector, and the way there.

All real: kube-apiserver on etcd reviews the gateways' tokens, PostgreSQL has the rows. They are
found or brought by what the tests use.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from bench.faults.evidence import Row
from bench.faults.processes import BIN, POLL_S, READY_S, WorldError, children
from bench.faults.relay import Relay

TESTS: Final = str(Path(__file__).parents[2] / "tests")
if TESTS not in sys.path:
    sys.path.insert(0, TESTS)

from cluster.control_plane import ControlPlane  # noqa: E402 - the tests' own kits
from cluster.operator_kit import ensure_namespace  # noqa: E402 - as above
from collector.collector_process import CollectorProcess  # noqa: E402 - as above
from collector.postgres_server import (  # noqa: E402 - as above
    OWNER,
    PASSWORD,
    WRITER,
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
        self._collector: Any = None
        self.relay: Relay | None = None

    async def start(self) -> None:
        """All of it serves.

        Raises:
            WorldError: a part does not.
        """
        await asyncio.to_thread(self._start)
        self.relay = Relay(self._collector.port)
        await self.relay.start()

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
        self._collector = CollectorProcess(place, self.database, self._plane.kubeconfig())
        self._collector.start()

    def stop(self) -> None:
        """No process of it is left."""
        for part in (self._collector, self.database):
            if part is not None:
                part.stop()
        if self._plane is not None:
            self._plane.__exit__(None, None, None)

    @property
    def options(self) -> tuple[str, ...]:
        """How `up` is told of it."""
        assert self.relay is not None
        return (
            "--collector", f"localhost:{self.relay.port}",
            "--collector-ca", str(self._collector.ca),
            "--collector-tokens", str(self.tokens),
        )  # fmt: skip

    # --- what is asked of it ---

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
        return self._duplicates + self._figure(
            'bailiwick_collector_rows_total{delivery="duplicate"}'
        )

    def _figure(self, name: str) -> int:
        text = self._collector.get("/metrics")[1]
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

    # --- what befalls it ---

    async def kill_database(self, seconds: float) -> None:
        """It dies as with its node, and is back after the time."""
        self.database.kill()
        await asyncio.sleep(seconds)
        await asyncio.to_thread(self.database.start)

    async def pause_database(self, seconds: float) -> None:
        """No process of it gets a turn for the time."""
        main = self.database._process.pid  # noqa: SLF001 - the kit has no word for it
        await _paused([main, *children(main)], seconds)

    async def lock_ledger(self, seconds: float) -> None:
        """For a while somebody else has the table to himself."""
        await asyncio.to_thread(self._lock, seconds)

    def _lock(self, seconds: float) -> None:
        with self.database.connect() as held:
            held.execute("LOCK TABLE attempts IN ACCESS EXCLUSIVE MODE")
            time.sleep(seconds)
            held.rollback()

    async def kill_collector(self, seconds: float) -> None:
        """It dies, and is back after the time."""
        self._kill_collector()
        await asyncio.sleep(seconds)
        await self._start_collector()

    async def pause_collector(self, seconds: float) -> None:
        """It gets no turn for the time."""
        await _paused([self._collector._process.pid], seconds)  # noqa: SLF001 - as above

    async def pause_api(self, seconds: float) -> None:
        """No token is reviewed for the time."""
        await _paused([self._plane._processes[-1].pid], seconds)  # noqa: SLF001 - as above

    async def cut_network(self, seconds: float) -> None:
        """No gateway reaches the collector for the time."""
        assert self.relay is not None
        self.relay.cut()
        await asyncio.sleep(seconds)
        self.relay.mend()

    async def stall_network(self, seconds: float) -> None:
        """What is sent arrives after the time."""
        assert self.relay is not None
        self.relay.stall()
        await asyncio.sleep(seconds)
        self.relay.mend()

    async def cut_answer(self) -> None:
        """Rows were committed, and their gateway never hears so."""
        with self._committed_unheard() as committed:
            await committed

    async def lose_answer(self) -> None:
        """As `cut_answer`, and the collector is dead."""
        with self._committed_unheard() as committed:
            await committed
            self._kill_collector()
        await self._start_collector()

    @contextlib.contextmanager
    def _committed_unheard(self) -> Iterator[Any]:
        assert self.relay is not None
        self.relay.swallow_answers()
        try:
            yield self._commits()
        finally:
            self.relay.mend()

    async def _commits(self) -> None:
        name = "bailiwick_collector_batches_total"
        before = await asyncio.to_thread(self._figure, name)
        end = time.monotonic() + COMMIT_S
        while await asyncio.to_thread(self._figure, name) <= before:
            if time.monotonic() > end:
                raise WorldError(f"no batch was committed within {COMMIT_S:.0f} s")
            await asyncio.sleep(POLL_S)

    def _kill_collector(self) -> None:
        # What it counted dies with it.
        self._duplicates = self.duplicates()
        self._collector.kill()

    async def _start_collector(self) -> None:
        self._collector.start(ready=False)
        await self.serves()

    async def serves(self) -> None:
        """The collector has seen the database, which answers.

        Raises:
            WorldError: not so within a minute.
        """
        end = time.monotonic() + READY_S
        while (await asyncio.to_thread(self._collector.get, "/readyz"))[0] != 200:
            if time.monotonic() > end:
                raise WorldError(f"the collector is not ready within {READY_S:.0f} s")
            await asyncio.sleep(POLL_S)


async def _paused(pids: Sequence[int], seconds: float) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
