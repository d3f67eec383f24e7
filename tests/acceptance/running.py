"""Runs a real gateway (`bailiwick up`) and providers that count for themselves."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx
import yaml

BIN = Path(sys.executable).parent
PROVIDER = Path(__file__).with_name("counting_provider.py")


def free_ports(count: int) -> int:
    """The first of `count` consecutive ports that nothing listens on."""
    for base in range(20_000 + os.getpid() % 5_000, 60_000, count):
        with contextlib.ExitStack() as held:
            try:
                for port in range(base, base + count):
                    held.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return base
    raise AssertionError("no free ports")


T = TypeVar("T")


def wait_for(what: str, probe: Callable[[], T | None], seconds: float = 30) -> T:
    """The probe's first true answer; fails with `what` after the time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := probe():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not in {seconds} s: {what}")


def get(url: str, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    """Status and body of a GET; status 0 where nobody answers."""
    try:
        answer = httpx.get(url, headers=headers, timeout=5)
    except httpx.HTTPError:
        return 0, b""
    return answer.status_code, answer.content


class CountingProvider:
    """A provider process and the log that is its own truth."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.jsonl"
        self.process = subprocess.Popen(
            [sys.executable, PROVIDER, "--name", name, "--log", self.log],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def control(self, verb: str) -> dict[str, int]:
        """Tell it `hold`, `release`, `reset` or `state`; answers how many are in flight."""
        status, body = get(f"http://127.0.0.1:{self.port}/_control/{verb}")
        assert status == 200
        return dict(json.loads(body))

    def attempts(self) -> list[dict[str, Any]]:
        """What it saw so far and has ended.

        A caller may have his answer before the provider has written it down: where nothing else
        is under way, that moment is waited for.
        """
        end = time.monotonic() + 0.5
        while self.process.poll() is None and time.monotonic() < end:
            if self.control("state")["inflight"] == 0:
                break
            time.sleep(0.01)
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


class Up:
    """`bailiwick up` over a folder of resources."""

    def __init__(
        self, folder: Path, *, namespaces: int = 1, secrets: dict[str, Any] | None = None
    ) -> None:
        self.resources = folder / "resources"
        self.resources.mkdir(parents=True, exist_ok=True)
        self.data = folder / "data"
        self.ports = free_ports(2 * namespaces)
        self.metrics = self.ports + namespaces
        self.output = folder / "up.log"
        self.arguments = ["--data-dir", str(self.data)]
        if secrets is not None:
            file = folder / "secrets.yaml"
            file.touch(mode=0o600)
            file.write_text(yaml.safe_dump(secrets))
            self.arguments += ["--secrets", str(file)]
        self.process: subprocess.Popen[bytes] | None = None

    def write(self, documents: Sequence[dict[str, Any]]) -> None:
        """Put these resources in place of the old ones, in one rename."""
        file = self.resources / "all.yaml"
        temporary = self.resources / ".all.tmp"
        temporary.write_text(yaml.safe_dump_all(documents))
        temporary.rename(file)

    def start(self) -> None:
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [
                    BIN / "bailiwick", "up", "-f", self.resources,
                    "--port", str(self.ports), "--metrics-port", str(self.metrics),
                    *self.arguments,
                ],
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        wait_for(f"ready; see {self.output}", self.ready, 60)

    def ready(self, index: int = 0) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.output.read_text()
        return get(f"{self.url(index)}/readyz")[0] == 200

    def url(self, index: int = 0) -> str:
        return f"http://127.0.0.1:{self.ports + index}"

    def token(self, *, tenant: str = "acme", team: str = "search", **options: str) -> str:
        """A development token."""
        more = [part for name, value in options.items() for part in (f"--{name}", value)]
        line = ["token", "--tenant", tenant, "--team", team, *more, "--data-dir", str(self.data)]
        return self.bailiwick(*line).strip()

    def bailiwick(self, *arguments: str) -> str:
        """Standard output of the command."""
        return subprocess.run(
            [BIN / "bailiwick", *arguments], check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    def rows(self) -> list[dict[str, Any]]:
        """The ledger, one row per attempt."""
        text = self.bailiwick("ledger", "export", "--format", "json", "--data-dir", str(self.data))
        return list(json.loads(text))

    def scrape(self, index: int = 0) -> str:
        status, body = get(f"http://127.0.0.1:{self.metrics + index}/metrics")
        assert status == 200
        return body.decode()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise


@contextlib.contextmanager
def running(up: Up, documents: Sequence[dict[str, Any]]) -> Iterator[Up]:
    """The gateway serves these resources inside the block."""
    up.write(documents)
    try:
        up.start()
        yield up
    finally:
        up.stop()
