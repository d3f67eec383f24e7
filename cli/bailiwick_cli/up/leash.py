"""Becomes another program that dies with its parent: `leash.py PARENT-PID PROGRAM ARGUMENT…`.

A hook between fork and exec would do the same, but is not safe in a process with threads. This
file is run as a script, without site-packages, so it imports nothing of ours.
"""

import ctypes
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2)


def main() -> None:
    """Never returns: the process image is the program's."""
    parent, program = int(sys.argv[1]), sys.argv[2:]
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit("prctl(PR_SET_PDEATHSIG) failed: " + os.strerror(ctypes.get_errno()))
    if os.getppid() != parent:
        sys.exit("the parent is gone already")
    os.umask(0o077)
    # A dump of its memory would hold keys and prompts.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.execv(program[0], program)  # noqa: S606  the command line is ours, no shell is wanted


main()
