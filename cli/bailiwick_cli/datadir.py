"""Where `up` keeps what it writes, and where `token` and `ledger` find it."""

import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bailiwick_cli.errors import DataDirError

DEFAULT_DATA_DIR = Path(".bailiwick")
PRIVATE = 0o700


@dataclass(frozen=True, slots=True)
class DataDir:
    """Paths below one data directory. Nothing outside it is ever written."""

    root: Path

    @property
    def lock(self) -> Path:
        """Held by the one `up` that serves from here."""
        return self.root / "up.lock"

    @property
    def serving(self) -> Path:
        """What `up` serves now, for `token` and for curious people."""
        return self.root / "up.json"

    @property
    def signing_key(self) -> Path:
        """The development issuer's private key (PEM, mode 0600)."""
        return self.root / "issuer-key.pem"

    @property
    def logs(self) -> Path:
        """What the child processes print."""
        return self.root / "logs"

    @property
    def states(self) -> Path:
        """A folder for each namespace with what must outlive its processes: journal, ledger."""
        return self.root / "state"

    def config(self, namespace: str) -> Path:
        """The compiled config of a namespace."""
        return self.root / "config" / f"{namespace}.pb"

    def run(self, namespace: str) -> Path:
        """Sockets and other things that end with the process."""
        return self.root / "run" / namespace

    def state(self, namespace: str) -> Path:
        """What must outlive the namespace's processes."""
        return self.states / namespace

    def namespaces(self) -> tuple[str, ...]:
        """Every namespace that was ever served from here, sorted."""
        if not self.states.is_dir():
            return ()
        return tuple(sorted(entry.name for entry in self.states.iterdir() if entry.is_dir()))

    def served(self) -> dict[str, Any] | None:
        """What the last `up` wrote about itself; None where there is nothing readable."""
        try:
            found = json.loads(self.serving.read_bytes())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None


def prepare(root: Path) -> DataDir:
    """The data directory, made if it is missing, open to its owner alone.

    Raises:
        DataDirError: it can't be made or written, or belongs to somebody else.
    """
    try:
        root.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        found = root.stat()
        if found.st_uid != os.geteuid():
            raise DataDirError(
                f"data directory {root} belongs to user {found.st_uid}: "
                "choose another one with --data-dir"
            )
        if stat.S_IMODE(found.st_mode) & 0o077:
            root.chmod(PRIVATE)
        ignore = root / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
    except OSError as error:
        raise DataDirError(
            f"data directory {root} can't be used: {error.strerror or error}; "
            "choose another one with --data-dir"
        ) from error
    return DataDir(root.resolve())


def existing(root: Path) -> DataDir:
    """The data directory of an `up` that ran before.

    Raises:
        DataDirError: there is none.
    """
    if not root.is_dir():
        raise DataDirError(
            f"there is no data directory {root}: run `bailiwick up` first, "
            "or name its directory with --data-dir"
        )
    return DataDir(root.resolve())


def private_dir(path: Path) -> Path:
    """The folder, made if it is missing, open to its owner alone."""
    path.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    return path


def write_atomically(path: Path, content: bytes) -> None:
    """The file has this content, mode 0600; a reader never sees half of it.

    Raises:
        DataDirError: it can't be written; what was there before still is.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    try:
        private_dir(path.parent)
        descriptor = os.open(temporary, flags, 0o600)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            while content:
                content = content[file.write(content) :]
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise DataDirError(
            f"{path} can't be written ({error.strerror}): free space there or make it writable"
        ) from error


@contextmanager
def locked(data: DataDir) -> Iterator[None]:
    """This process is the only `up` on the data directory while the block runs.

    Raises:
        DataDirError: another one is.
    """
    descriptor = os.open(data.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            raise DataDirError(
                f"data directory {data.root} is in use by another `bailiwick up` (pid {owner}): "
                "stop that one, or choose another directory with --data-dir"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
