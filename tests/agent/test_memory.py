"""What threads of the agent give back, others can use."""

import subprocess
import sys

PROGRAM = """
import ctypes, sys, threading
from bailiwick_sidecar.garbage import one_arena

if sys.argv[1] == "one":
    one_arena()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
together = threading.Barrier(4)


def work():
    together.wait()
    libc.malloc(5000)
    together.wait()


threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


def arenas(how: str) -> int:
    """How many arenas four threads took from."""
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM, how], check=True, stdout=subprocess.PIPE, text=True
    )
    return told.stdout.count("<heap nr=")


def test_threads_share_one_arena() -> None:
    """Left to itself glibc makes one for each thread."""
    assert arenas("one") == 1
    assert arenas("each") > 1
