"""A real PostgreSQL for tests: its own data, killed and started again at will."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
from agent.gateway_process import free_port

OWNER, WRITER = "ledger_owner", "ledger_writer"
PASSWORD = "of-the-test"


class NoPostgresError(Exception):
    """There is no PostgreSQL to test with; the message says how to get one."""


def binaries() -> Path:
    """Debian's newest, PATH's, or that of the `pgserver` wheel: a folder with initdb, postgres."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda at: float(at.parent.name))
    found = shutil.which("postgres")
    near = [Path(found).resolve().parent] if found else []
    wheel = Path(sys.prefix).glob("lib/python3*/site-packages/pgserver/pginstall/bin")
    for folder in (*reversed(debian), *near, *wheel):
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise NoPostgresError("no PostgreSQL: install Debian's `postgresql`, or run `make test`")


class PostgresServer:
    """One server on loopback. The superuser is `super`; the database is `bailiwick`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._bin = binaries()
        self._data = folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        # It does not run as root: the least of the users there owns its folder then.
        self._user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
        folder.mkdir(parents=True, exist_ok=True)
        secret = folder / "password"
        secret.write_text(PASSWORD)
        if self._user is not None:
            os.chown(folder, self._user, -1)
            for parent in folder.parents:
                if parent.owner() == "root" and parent.name.startswith("pytest"):
                    parent.chmod(0o755)
        secret.chmod(0o644)
        self._run(
            *(self._bin / "initdb", "-D", self._data, "-U", "super", "--auth=scram-sha-256"),
            *(f"--pwfile={secret}", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"),
        )
        self.start()
        self.execute(
            f"CREATE ROLE {OWNER} LOGIN CREATEROLE PASSWORD '{PASSWORD}'",
            f"CREATE DATABASE bailiwick OWNER {OWNER}",
            database="postgres",
        )

    def start(self, *options: str) -> None:
        """Start it and wait until it answers."""
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(self._bin / "postgres", "-D", self._data, "-p", str(self.port)),
                    *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
                    *("-c", "max_connections=50", "-c", "shared_buffers=128MB", *options),
                ],
                stdout=log,
                stderr=log,
                user=self._user,
                cwd=self.folder,
            )
        end = time.monotonic() + 60
        while True:
            with contextlib.suppress(psycopg.OperationalError), self.connect("postgres"):
                return
            assert self._process.poll() is None, (self.folder / "server.log").read_text()
            assert time.monotonic() < end, "PostgreSQL does not answer"
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill -9 of the server and all of its children, as when its node dies."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        for pid in (self._process.pid, *map(int, children.read_text().split())):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """End it, whatever is open."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)

    def connect(
        self, database: str = "bailiwick", *, user: str = "super"
    ) -> "psycopg.Connection[tuple[object, ...]]":
        """A connection in the ledger's schema."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            dbname=database,
            user=user,
            password=PASSWORD,
            options="-c search_path=bailiwick",
            connect_timeout=10,
        )

    def execute(self, *statements: str, database: str = "bailiwick", user: str = "super") -> None:
        """Run statements, each by itself."""
        with self.connect(database, user=user) as connection:
            connection.autocommit = True
            for statement in statements:
                connection.execute(statement.encode())

    def query(self, statement: str, *, user: str = "super") -> list[tuple[object, ...]]:
        """What a statement finds."""
        with self.connect(user=user) as connection:
            return connection.execute(statement.encode()).fetchall()

    def url(self, user: str = OWNER) -> str:
        """A URL without a password; `passfile` has it."""
        return (
            f"postgresql://{user}@127.0.0.1:{self.port}/bailiwick"
            f"?passfile={self.passfile()}&sslmode=disable"
        )

    def passfile(self) -> Path:
        """A password file for all of the test's users."""
        path = self.folder / "pgpass"
        if not path.exists():
            path.touch(0o600)
            path.write_text(f"127.0.0.1:*:*:*:{PASSWORD}\n")
        return path

    def _run(self, *command: object) -> None:
        done = subprocess.run(
            [str(part) for part in command],
            capture_output=True,
            user=self._user,
            cwd=self.folder,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr.decode()
