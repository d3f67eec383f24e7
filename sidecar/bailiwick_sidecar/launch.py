"""Becomes Envoy, so that a crash shows nothing: `python -I -S launch.py ENVOY OPTION…`.

Envoy's handler of fatal signals writes the request at hand to standard error: headers with the
provider's key, and the bytes of a body. There is no option against it, so standard error goes
nowhere; Envoy's log goes to standard output (`--log-path`). Needs the standard library alone.
"""

import contextlib
import os
import resource
import sys
from pathlib import Path


def forbid_core_dumps() -> None:
    """No core of this process, nor of a program that it becomes or starts, is written.

    The limit is 1 and not 0: no ELF core fits into it, and the kernel skips a piped handler
    (`kernel.core_pattern` with "|") for exactly this value, while it runs it at 0. The filter of
    core(5) leaves every mapping out besides; both outlive exec.
    """
    with contextlib.suppress(OSError):
        Path("/proc/self/coredump_filter").write_text("0", encoding="ascii")
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    limit = 1 if hard == resource.RLIM_INFINITY else min(hard, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))


def main() -> None:
    """Become the program that the arguments name."""
    forbid_core_dumps()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stderr.fileno())
    os.close(nowhere)
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 -- no shell, and the path is the caller's own


if __name__ == "__main__":
    main()
