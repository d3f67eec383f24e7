"""That memory which is given back is given back, and is looked through seldom."""

import ctypes
import gc
from typing import Final

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
M_ARENA_MAX: Final = -8
"""malloc.h; see mallopt(3)."""

LARGE: Final = 128 * 1024
"""Bytes; glibc's own beginning, which it would raise as buffers of lists come and go."""


def thrifty() -> None:
    """Have one arena, and large buffers returned when they are freed; before the first thread.

    Only one thread of the operator computes at a time.
    """
    _libc("mallopt", M_ARENA_MAX, 1)
    _libc("mallopt", M_MMAP_THRESHOLD, LARGE)
    _libc("mallopt", M_TRIM_THRESHOLD, LARGE)


def tidy() -> None:
    """Return what is free, and do not look through what is known by now before the next time.

    A look at ten thousand resources takes tenths of a second, in which no agent is answered: once
    here, and not whenever Python thinks of it. What was set aside before is looked through again,
    or a call, a stream or an error that was under way then would stay for ever.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    _libc("malloc_trim", 0)


def _libc(function: str, *arguments: int) -> None:
    """Calls it where the C library has it: these are glibc's own."""
    found = getattr(ctypes.CDLL(None), function, None)
    if found is not None:
        found(*arguments)
