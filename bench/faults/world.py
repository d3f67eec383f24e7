"""The processes of a run: `bailiwick up`, its agent and Envoy, and the providers."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from bench.faults.evidence import Intended, LimitRule, Row
from bench.faults.http import get
from bench.faults.plan import TEAMS, USERS
from bench.faults.resources import NAMESPACE, TENANT, documents

from bailiwick_cli.datadir import existing
from bailiwick_cli.issuer import signing_key, user_claims
from bailiwick_cli.resources import check, local_store
from bailiwick_contract.v1.tenant_config_pb2 import Dimension, Limit
from bailiwick_sidecar.accounting import lines
from bailiwick_sidecar.accounting.model import Intent

HERE: Final = Path(__file__).parent
BIN: Final = Path(sys.executable).parent
READY_S: Final = 60.0
POLL_S: Final = 0.01


class WorldError(Exception):
    """Something of the run itself failed; nothing can be concluded."""


async def until(what: str, probe: Callable[[], bool], *, seconds: float = READY_S) -> float:
    """Seconds until the probe was true.

    Raises:
        WorldError: it was not within the time.
    """
    began = time.monotonic()
    while not probe():
        if time.monotonic() - began > seconds:
            raise WorldError(f"not within {seconds:.0f} s: {what}")
        await asyncio.sleep(POLL_S)
    return time.monotonic() - began


class ProviderProcess:
    """A provider on a port of its own that outlives its processes."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.log = folder / f"provider-{name}.jsonl"
        self.port = 0
        self.start()

    def start(self) -> None:
        """It listens."""
        self.process = subprocess.Popen(
            [
                sys.executable, HERE / "provider.py", "--name", self.name,
                "--log", self.log, "--port", str(self.port),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def kill(self) -> None:
        """It is gone, with all that it had not answered."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def logged(self) -> list[dict[str, Any]]:
        """What it wrote down; a line cut short by a kill is none."""
        found = []
        for line in self.log.read_text().splitlines():
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        return found


class StoreProcess:
    """A Redis on a port of its own that keeps nothing on disk: it returns empty."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self.port = port
        self.start()

    @property
    def address(self) -> str:
        """As `up` is told it."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """It listens."""
        with (self._folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    _tool("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1",
                    "--save", "", "--appendonly", "no", "--dir", str(self._folder),
                ],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip

    def kill(self) -> None:
        """It is gone, with all that it held."""
        self.process.kill()
        self.process.wait()

    async def forget(self) -> None:
        """It lives on, and holds nothing."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(b"FLUSHALL\r\n")
        await reader.readline()
        writer.close()


class World:
    """Gateways of one tenant and two providers in a folder; with several, the store they share."""

    def __init__(
        self, folder: Path, *, port: int, count: int, namespaces: Sequence[str] = (NAMESPACE,)
    ) -> None:
        """Gateways listen on the ports from `port` on, their metrics on those behind."""
        self.folder = folder
        self.namespaces = tuple(namespaces)
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
            yaml.safe_dump_all(documents(ports, count=count, namespaces=namespaces))
        )
        self.process: subprocess.Popen[bytes] | None = None

    def journal(self, gateway: int) -> Path:
        """Where this gateway's agent keeps its journal."""
        return self.data / "state" / self.namespaces[gateway] / "journal"

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
        line = [_tool("mount"), "-t", "tmpfs", "-o", options, "tmpfs", str(self.data)]
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
                ],
                stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=environment,
            )  # fmt: skip

    def stop(self) -> None:
        """Everything has ended; what cannot end by itself is killed."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(45)
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
            subprocess.run([_tool("umount"), str(self.data)], check=True)

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
        for pid in _children(self.process.pid):
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
        line = ["ledger", "export", "--format", "json", "--data-dir", str(self.data)]
        text = subprocess.run([BIN / "bailiwick", *line], check=True, stdout=subprocess.PIPE).stdout
        return list(json.loads(text))

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


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise WorldError(f"{name} is not there: --disk and --shared need it")
    return found


def alive(pid: int) -> bool:
    """True while the process is there and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    return found
