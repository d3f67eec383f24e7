"""Unix sockets that only this user reaches."""

import contextlib
import os
import socket
import stat
from pathlib import Path

from bailiwick_contract.errors import BailiwickError


class SocketInUseError(BailiwickError):
    """Another process serves at this address."""


def bound(path: Path) -> socket.socket:
    """A socket bound to `path`, mode 0600, not blocking. One left by a dead process goes.

    Raises:
        SocketInUseError: a living process listens there, or it is no socket.
    """
    _remove_stale(path)
    before = os.umask(0o177)
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        found.bind(str(path))
    finally:
        os.umask(before)
    found.setblocking(False)  # noqa: FBT003 -- the standard library's signature
    return found


def _remove_stale(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise SocketInUseError(f"{path} is no socket: move it away")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(str(path))
            except (ConnectionRefusedError, FileNotFoundError):
                path.unlink(missing_ok=True)
                return
        raise SocketInUseError(f"another process serves at {path}: stop it first")
