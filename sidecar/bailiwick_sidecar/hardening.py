"""Keeps what is in memory there: no core dump, no debugger."""

import contextlib
import ctypes
import logging
import resource
from pathlib import Path
from typing import Final

PR_SET_DUMPABLE: Final = 4
"""linux/prctl.h; see prctl(2)."""

log = logging.getLogger(__name__)


def forbid_core_dumps() -> None:
    """No core of this process, nor of a program that it becomes or starts, is written.

    The limit is 1 and not 0: no ELF core fits into it, and the kernel skips a piped handler
    (`kernel.core_pattern` with "|") for exactly this value, while it runs it at 0. The filter of
    core(5) leaves every mapping out besides; both outlive exec.
    """
    with contextlib.suppress(OSError):
        Path("/proc/self/coredump_filter").write_text("0", encoding="ascii")
    resource.setrlimit(resource.RLIMIT_CORE, (min(1, _hard()), min(1, _hard())))


def forbid_tracing() -> None:
    """No other process of this user may attach to this one or read its memory (ptrace(2)).

    Ends with exec, so a program that a process becomes has to ask for itself.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        log.warning("event=tracing_not_forbidden errno=%d", ctypes.get_errno())


def _hard() -> int:
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    return 1 if hard == resource.RLIM_INFINITY else hard
