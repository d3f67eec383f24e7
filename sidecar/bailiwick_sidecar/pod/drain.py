"""Lets Envoy end its calls before it is stopped."""

import http.client
import json
import socket
import time
from pathlib import Path
from typing import Any

PROPAGATION_S = 5.0
"""Until callers know: endpoints and proxies of the cluster still send new calls meanwhile."""
POLL_S = 0.25
ACTIVE = "/stats?format=json&filter=^http\\..*downstream_rq_active$"


class _Admin(http.client.HTTPConnection):
    """Envoy's admin interface on its Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=5)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def drain(admin: Path, *, seconds: float) -> bool:
    """Wait for callers to go, then for calls to end; true where none was left in time."""
    end = time.monotonic() + seconds
    time.sleep(min(PROPAGATION_S, seconds))
    if not _call(admin, "POST", "/drain_listeners?graceful&skip_exit"):
        return True
    while time.monotonic() < end:
        if active_calls(admin) == 0:
            return True
        time.sleep(POLL_S)
    return False


def active_calls(admin: Path) -> int:
    """Calls under way; 0 where Envoy is gone."""
    try:
        found = json.loads(_call(admin, "GET", ACTIVE) or "{}")
    except ValueError:
        return 0
    stats: list[dict[str, Any]] = found.get("stats", [])
    return sum(
        int(stat.get("value", 0))
        for stat in stats
        # This question itself is a call under way there.
        if not str(stat.get("name", "")).startswith("http.admin.")
    )


def _call(admin: Path, method: str, path: str) -> str:
    """The answer's text; empty where Envoy is gone."""
    connection = _Admin(admin)
    try:
        connection.request(method, path)
        return connection.getresponse().read().decode()
    except OSError:
        return ""
    finally:
        connection.close()
