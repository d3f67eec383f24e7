"""When the Envoy that serves now was started: attempts from before it died with its predecessor."""

import os
import socket
import struct
import time
from pathlib import Path
from typing import Final

_CREDENTIALS: Final = struct.Struct("3i")
_START_TIME: Final = 19
"""Place of `starttime` behind the command's closing bracket: field 22 of proc(5), `stat`."""


def envoy_listens(admin: Path) -> bool:
    """True where an Envoy serves this admin socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(admin))
        except OSError:
            return False
    return True


def envoy_started_at(admin: Path) -> int | None:
    """Milliseconds since the epoch, rounded down to the kernel's clock tick.

    The process is whoever listens on Envoy's admin socket (`SO_PEERCRED`, unix(7)). None where
    nobody does, or where it lives in another PID namespace.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(admin))
            said = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            pid = _CREDENTIALS.unpack(said)[0]
            if pid <= 0:
                return None
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            return None
    ticks = int(stat.rpartition(")")[2].split()[_START_TIME])
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - (ticks + 1) / os.sysconf("SC_CLK_TCK")
    return int((time.time() - age - 1 / os.sysconf("SC_CLK_TCK")) * 1000)
