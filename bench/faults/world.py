"""The processes of a run: `bailiwick up`, its agents and Envoys, and what they depend on."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any, Final

import yaml
from bench.faults.central import Central, totals
from bench.faults.evidence import Intended, LimitRule, Row
from bench.faults.http import get
from bench.faults.plan import TEAMS, USERS
from bench.faults.processes import (
    BIN,
    HERE,
    POLL_S,
    ProviderProcess,
    StoreProcess,
    WorldError,
    alive,
    children,
    tool,
)
from bench.faults.resources import NAMESPACE, TENANT, TOGETHER, documents
from bench.faults.schedule import Scale

from bailiwick_cli.datadir import existing
from bailiwick_cli.issuer import signing_key, user_claims
from bailiwick_cli.resources import check, local_store
from bailiwick_contract.v1.tenant_config_pb2 import Dimension, Limit
from bailiwick_sidecar.accounting import lines
from bailiwick_sidecar.accounting.model import Intent

STOP_S: Final = 45.0


class World:
    """Gateways of one tenant and two providers in a folder, and what the scale adds to them."""

    def __init__(self, folder: Path, *, port: int, count: int, scale: Scale) -> None:
        """Gateways listen on the ports from `port` on, their metrics on those behind."""
        self.folder = folder
        # As `up` gives them ports: in order of their names.
        self.namespaces = (NAMESPACE,) if scale is Scale.ALONE else TOGETHER
        size = len(self.namespaces)
        self.ports = tuple(range(port, port + size))
        self.metrics = tuple(range(port + size, port + 2 * size))
        self.store = StoreProcess(folder, port + 2 * size) if size > 1 else None
        self.data = folder / "data"
        self.clock = folder / "clock"
        self.clock.write_text("0")
        self.providers = {name: ProviderProcess(name, folder) for name in "ab"}
        self.resources = folder / "resources.yaml"
        ports = {name: provider.port for name, provider in self.providers.items()}
        self.resources.write_text(
            yaml.safe_dump_all(documents(ports, count=count, namespaces=self.namespaces))
        )
        self.central = (
            Central(folder / "central", tenant=TENANT, namespaces=self.namespaces)
            if scale is Scale.FULL
            else None
        )
        self.process: subprocess.Popen[bytes] | None = None

    def journal(self, gateway: int) -> Path:
        """Where this gateway's agent keeps its journal."""
        return self.data / "state" / self.namespaces[gateway] / "journal"

    def ledger(self, gateway: int) -> Path:
        """This gateway's ledger, where it keeps a file."""
        return self.data / "state" / self.namespaces[gateway] / "ledger.db"

    @property
    def kept(self) -> Path:
        """Where segments of the journal stay after the agent deleted them."""
        # Links can't leave their file system.
        return self.data / "kept"

    @property
    def own_disk(self) -> bool:
        """True where the data directory is a file system by itself, so that it can be filled."""
        return self.data.is_mount()

    def mount(self, size: str) -> None:
        """The data directory is a disk in memory of this size (`16m`); needs root.

        Raises:
            WorldError: it can't be mounted.
        """
        self.data.mkdir(mode=0o700, exist_ok=True)
        options = f"size={size},mode=700"
        line = [tool("mount"), "-t", "tmpfs", "-o", options, "tmpfs", str(self.data)]
        if subprocess.run(line, check=False).returncode != 0:
            raise WorldError(f"no disk of {size} at {self.data}: --disk needs root")

    def start(self) -> None:
        """`bailiwick up` runs; it may not serve yet."""
        self.kept.mkdir(parents=True, exist_ok=True)
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(
                part for part in (str(HERE / "clock"), os.environ.get("PYTHONPATH")) if part
            ),
            "FAULTS_CLOCK": str(self.clock),
        }
        with (self.folder / "up.log").open("ab") as output:
            self.process = subprocess.Popen(
                [
                    BIN / "bailiwick", "up", "-f", self.resources, "--data-dir", self.data,
                    "--port", str(self.ports[0]), "--metrics-port", str(self.metrics[0]),
                    *(["--quota-store", self.store.address] if self.store else []),
                    *(self.central.options if self.central else []),
                ],
                stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=environment,
                start_new_session=True,
            )  # fmt: skip

    def stop(self) -> None:
        """Everything has ended; what cannot end by itself is killed."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for provider in self.providers.values():
            provider.kill()
        if self.store is not None:
            self.store.kill()

    def unmount(self) -> None:
        """The disk in memory is gone, with all that was on it."""
        if self.own_disk:
            shutil.copytree(self.data / "logs", self.folder / "logs", dirs_exist_ok=True)
            subprocess.run([tool("umount"), str(self.data)], check=True)

    def kill_up(self) -> None:
        """The command and all below it die at once, as in a container that is killed."""
        assert self.process is not None
        below = [
            pid
            for gateway in range(len(self.namespaces))
            for word in ("envoy", "bailiwick_sidecar")
            if (pid := self.pid(word, gateway))
        ]
        self.process.kill()
        self.process.wait()
        for pid in below:
            while alive(pid):
                time.sleep(POLL_S)

    def pid(self, word: str, gateway: int) -> int:
        """The gateway's process with this word in its command line; 0 where there is none."""
        assert self.process is not None
        for pid in children(self.process.pid):
            with contextlib.suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                # Between fork and exec a child still looks like its launcher.
                if b"leash.py" in b" ".join(command) or not any(
                    word in part.decode(errors="replace") for part in command[:3]
                ):
                    continue
                # Agent and Envoy work in their gateway's own folder.
                if self.namespaces[gateway] in Path(f"/proc/{pid}/cwd").readlink().parts:
                    return pid
        return 0

    async def ready(self) -> bool:
        """True where a call would be admitted, at every gateway."""
        for port in self.ports:
            status, _ = await get(port, "/readyz", timeout=1)
            if status != 200:
                return False
        return True

    def tokens(self) -> dict[str, str]:
        """A development token for each user."""
        key = signing_key(existing(self.data))
        now = int(time.time())
        return {
            user: key.sign(
                user_claims(
                    tenant=TENANT, team=team, project=TEAMS[team], user=user, now=now, ttl=86400
                )
            )
            for user, team in USERS
        }

    def rows(self) -> list[Row]:
        """The ledger as the command exports it."""
        return list(self._asked("export"))

    def summed(self) -> dict[str, str]:
        """What the command adds up: `attempts` and `total cost`."""
        return totals(self._asked("top", "--by", "tenant"))

    def _asked(self, *question: str) -> Any:
        if self.central is not None:
            return self.central.asked(*question)
        line = ["ledger", *question, "--format", "json", "--data-dir", str(self.data)]
        text = subprocess.run([BIN / "bailiwick", *line], check=True, stdout=subprocess.PIPE).stdout
        return json.loads(text)

    def count(self) -> int:
        """Rows that the ledger has now."""
        if self.central is not None:
            return self.central.count()
        found = 0
        for gateway in range(len(self.namespaces)):
            with contextlib.closing(sqlite3.connect(self.ledger(gateway))) as connection:
                found += connection.execute("SELECT count(*) FROM attempts").fetchone()[0]
        return found

    def rules(self) -> list[LimitRule]:
        """The limits as compiled."""
        store = local_store(self.store.address) if self.store else None
        config = check([self.resources], quota_store=store).configs[NAMESPACE]
        return [
            LimitRule(
                id=limit.id,
                kind=Limit.Kind.Name(limit.kind).removeprefix("KIND_").lower(),
                amount=limit.money or str(limit.amount),
                subject={
                    name: value
                    for name in ("team", "user", "route")
                    if (value := getattr(limit.subject, name))
                },
                each=[Dimension.Name(one).removeprefix("DIMENSION_").lower() for one in limit.each],
            )
            for limit in config.limits
        ]

    def keep_journal(self) -> None:
        """Every segment that there is now stays readable, also once it is deleted."""
        for gateway, namespace in enumerate(self.namespaces):
            for segment in self.journal(gateway).glob("*.journal"):
                with contextlib.suppress(FileExistsError, FileNotFoundError):
                    (self.kept / f"{namespace}-{segment.name}").hardlink_to(segment)

    def journalled(self) -> list[Intended]:
        """What all segments say together."""
        intents: dict[tuple[str, int], Intent] = {}
        ends: dict[tuple[str, int], int] = {}
        for segment in sorted(self.kept.glob("*.journal")):
            memory = lines.Memory()
            for raw in segment.read_bytes().split(b"\n"):
                line = lines.decode(raw)
                with contextlib.suppress(ValueError):
                    said = memory.take(line) if line is not None else None
                    if isinstance(said, Intent):
                        intents[said.key] = said
                    elif said is not None:
                        ends[said.intent.key] = ends.get(said.intent.key, 0) + 1
        return [
            Intended(
                id=key[0],
                attempt=key[1],
                tokens=intent.input_bound + intent.output_bound,
                cost=str(intent.cost_bound),
                outcomes=ends.get(key, 0),
            )
            for key, intent in intents.items()
        ]
