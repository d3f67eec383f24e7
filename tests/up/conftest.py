"""`bailiwick up` as a person runs it: the real Envoy, an echo provider, free ports."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from socket import socket
from typing import Any, TypeVar

import openai
import pytest

BIN = Path(sys.executable).parent
BAILIWICK = BIN / "bailiwick"
QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart"

T = TypeVar("T")


def free_ports(count: int) -> int:
    """The first of `count` consecutive ports that nothing uses."""
    for first in range(20_000 + os.getpid() % 20_000, 60_000, count):
        with contextlib.ExitStack() as held:
            try:
                for port in range(first, first + count):
                    held.enter_context(socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise AssertionError("no free ports")


def wait_for(what: str, probe: Callable[[], T], seconds: float = 60) -> T:
    """The probe's first true answer; fails with `what` where there is none in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := probe():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}")


def get(url: str, token: str | None = None) -> tuple[int, Any]:
    """Status and JSON body (text where it is none) of a GET; status 0 where nobody answers."""
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as ok:
            return ok.status, _body(ok.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _body(error.read())
    except OSError:
        return 0, None


def _body(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode()


def processes_of(folder: Path) -> dict[int, str]:
    """Live processes that have the folder in their command line or as working directory."""
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            where = str((entry / "cwd").readlink())
        except OSError:
            continue
        if line and (str(folder) in line or where.startswith(str(folder))):
            found[int(entry.name)] = line
    return found


class Up:
    """One `bailiwick up` with its own folder of files, data directory and ports."""

    def __init__(self, folder: Path, *, ports: int = 2) -> None:
        self.folder = folder
        self.files = folder / "files"
        self.files.mkdir(parents=True)
        self.data = folder / "data"
        first = free_ports(2 * ports + 1)
        self.port, self.metrics_port, self.echo_port = first, first + ports, first + 2 * ports
        self.output = folder / "up.log"
        self.process: subprocess.Popen[bytes] | None = None

    def write(self, name: str, text: str) -> None:
        """The file has this text, put there by rename as editors do."""
        fresh = self.files / f".{name}.new"
        fresh.write_text(text)
        fresh.rename(self.files / name)

    def quickstart(self) -> None:
        """The files of examples/quickstart, with this echo provider's port."""
        for file in sorted(QUICKSTART.glob("*.yaml")):
            self.write(file.name, file.read_text().replace(":8091/", f":{self.echo_port}/"))

    def command(self, *more: str) -> list[str | Path]:
        """The command line."""
        return [
            BAILIWICK, "up", "-f", self.files, "--data-dir", self.data,
            "--port", str(self.port), "--metrics-port", str(self.metrics_port),
            "--echo-port", str(self.echo_port), *more,
        ]  # fmt: skip

    def start(self, *more: str) -> None:
        """It serves."""
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                self.command("--echo", *more),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        wait_for(f"serving; {self.output} says why not", self.announced)

    def announced(self) -> bool:
        assert self.process is not None
        said = self.said()
        assert self.process.poll() is None, said
        return "Ctrl-C stops" in said

    def said(self) -> str:
        """Everything printed so far."""
        return self.output.read_text()

    def url(self, index: int = 0) -> str:
        return f"http://127.0.0.1:{self.port + index}"

    def ready(self, index: int = 0) -> bool:
        return get(f"{self.url(index)}/readyz")[0] == 200

    def served(self) -> dict[str, Any]:
        """What it says of itself: up.json, by namespace."""
        said = json.loads((self.data / "up.json").read_bytes())
        return {gateway["namespace"]: gateway for gateway in said["gateways"]}

    def bailiwick(self, *arguments: str) -> str:
        """Standard output of another `bailiwick` on the same data directory."""
        return subprocess.run(
            [BAILIWICK, *arguments, "--data-dir", self.data],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout

    def token(self, *, tenant: str = "demo", team: str = "search") -> str:
        return self.bailiwick("token", "--tenant", tenant, "--team", team).strip()

    def client(self, index: int = 0, **options: Any) -> openai.OpenAI:
        """The real client, which never retries by itself unless told to."""
        settings: dict[str, Any] = {"max_retries": 0, "timeout": 30, **options}
        settings.setdefault("api_key", self.token())
        return openai.OpenAI(base_url=f"{self.url(index)}/v1", **settings)

    def rows(self) -> list[dict[str, Any]]:
        """The ledger."""
        rows: list[dict[str, Any]] = json.loads(self.bailiwick("ledger", "export"))
        return rows

    def attempts(self) -> list[dict[str, Any]]:
        """The echo provider's own books."""
        _, books = get(f"http://127.0.0.1:{self.echo_port}/_echo/attempts")
        attempts: list[dict[str, Any]] = books["attempts"]
        return attempts

    def interrupt(self) -> int:
        """Ctrl-C; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)

    def end(self) -> None:
        """However the test ended: nothing of this runs any more."""
        if self.process is not None and self.process.poll() is None:
            try:
                self.interrupt()
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise


@pytest.fixture
def wait() -> Callable[..., Any]:
    """`wait(what, probe)`: the probe's first true answer."""
    return wait_for


@pytest.fixture
def left(tmp_path: Path) -> Callable[[], dict[int, str]]:
    """The live processes that this test's `up` started, and itself."""
    return lambda: processes_of(tmp_path)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    """An `up` of its own, with the quickstart's files, not started."""
    one = Up(tmp_path)
    one.quickstart()
    yield one
    one.end()


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """The quickstart, served for all tests of a module that leave it as it is."""
    one = Up(tmp_path_factory.mktemp("up"))
    one.quickstart()
    try:
        one.start()
        yield one
    finally:
        one.end()
