"""What the operator needed for a while only, it gives back."""

import subprocess
import sys

PROGRAM = """
import gc, os, threading
from bailiwick_operator import memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 2**20

memory.thrifty()
before = resident()
kept = []

def work():
    lists = [bytes(2000) for _ in range(40_000)]
    # What stays is strewn among what goes.
    kept.extend(lists[::400])
    print(resident() - before)

worker = threading.Thread(target=work)
worker.start()
worker.join()
memory.tidy()
print(resident() - before)
print(gc.get_freeze_count() > 1000)
"""


def test_what_was_used_once_is_returned() -> None:
    """80 MB of a start, of which one object in 400 is kept; known objects are not gone through."""
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60
    )
    used, left, frozen = run.stdout.split()
    assert int(used) > 70
    assert int(left) < 20
    assert frozen == "True"


CYCLE = """
import gc, weakref
from bailiwick_operator import memory

class Stream:
    pass

gc.disable()
stream = Stream()
stream.itself = stream
gone = weakref.ref(stream)
memory.tidy()
del stream
print(gone() is None)
memory.tidy()
print(gone() is None)
"""


def test_what_was_under_way_at_one_look_is_gone_after_the_next() -> None:
    """A stream that ended after it was set aside, and that only a collector can find."""
    run = subprocess.run(
        [sys.executable, "-c", CYCLE], capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout.split() == ["False", "True"]
