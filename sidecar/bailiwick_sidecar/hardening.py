"""Keeps what is in the agent's memory there: no core dump, no debugger."""

import ctypes
import logging
from typing import Final

from bailiwick_sidecar.launch import forbid_core_dumps

__all__ = ["forbid_core_dumps", "forbid_tracing"]

PR_SET_DUMPABLE: Final = 4
"""linux/prctl.h; see prctl(2)."""

log = logging.getLogger(__name__)


def forbid_tracing() -> None:
    """No other process of this user may attach to this one or read its memory (ptrace(2)).

    Ends with exec, so a program that a process becomes has to ask for itself.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        log.warning("event=tracing_not_forbidden errno=%d", ctypes.get_errno())
