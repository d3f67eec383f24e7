"""The command as a person runs it, and an echo provider of its own process."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import Any

import pytest

BAILIWICK = Path(sys.executable).with_name("bailiwick")


@dataclass(frozen=True)
class Ran:
    """What a finished command left."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def bailiwick(tmp_path: Path) -> Run:
    """Runs `bailiwick ARGUMENTS…` in an empty folder."""

    def run(*arguments: str | Path, cwd: Path = tmp_path) -> Ran:
        done = subprocess.run(
            [BAILIWICK, *arguments],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Ran(code=done.returncode, out=done.stdout, err=done.stderr)

    return run


@dataclass(frozen=True)
class Echo:
    """A running echo provider."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    """An echo provider in its own process on a free port."""
    with closing(socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen(
        [sys.executable, "-m", "bailiwick_cli.echo", "--port", str(port)], stdin=subprocess.DEVNULL
    )
    try:
        provider = Echo(port)
        for _ in range(600):
            try:
                provider.get("/v1/models")
                break
            except urllib.error.URLError:
                assert process.poll() is None, "the echo provider ended"
                time.sleep(0.02)
        yield provider
    finally:
        process.terminate()
        process.wait(10)
