"""Processes that a run starts beside the gateways, and how any process is looked at."""

import asyncio
import contextlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from shared_store.redis_server import find_server

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
            start_new_session=True,
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
                    redis_server(), "--port", str(self.port), "--bind", "127.0.0.1",
                    "--save", "", "--appendonly", "no", "--dir", str(self._folder),
                ],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
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


def tool(name: str) -> str:
    """The program on PATH.

    Raises:
        WorldError: it is not there.
    """
    found = shutil.which(name)
    if found is None:
        raise WorldError(f"{name} is not there: install it")
    return found


def redis_server() -> str:
    """Redis or Valkey, as the tests find it.

    Raises:
        WorldError: there is none.
    """
    try:
        found: str = find_server()
    except FileNotFoundError as error:
        raise WorldError(f"{error}; or use --alone") from error
    return found


def alive(pid: int) -> bool:
    """True while the process is there and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def children(pid: int) -> list[int]:
    """The process's own children."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    return found
