"""A real PostgreSQL of its own, on a Unix socket."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, create_engine


def binaries() -> Path:
    """Where `initdb` and `postgres` are: on PATH, else where Debian puts the newest."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    assert versions, "no PostgreSQL: install postgresql, or put its bin folder on PATH"
    return versions[-1].parent


@contextmanager
def postgres() -> Iterator[Engine]:
    """An empty database; the server is gone afterwards. It never runs as root: it refuses to."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    if os.geteuid() == 0:
        shutil.chown(folder, user)
    tools = binaries()

    def run(*command: str | Path) -> None:
        subprocess.run(
            command,
            user=user if os.geteuid() == 0 else None,
            cwd=folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=120,
        )

    data = folder / "data"
    try:
        run(tools / "initdb", "-D", data, "-U", "ledger", "-A", "trust", "--no-sync")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off"
        run(tools / "pg_ctl", "-D", data, "-l", folder / "log", "-w", "-o", options, "start")
        engine = create_engine(f"postgresql+psycopg://ledger@/postgres?host={folder}")
        try:
            yield engine
        finally:
            engine.dispose()
            run(tools / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
