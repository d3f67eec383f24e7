"""How often the garbage collector looks, and at what; and that memory given back is given back."""

import ctypes
import gc
from typing import Final

M_ARENA_MAX: Final = -8
"""malloc.h; see mallopt(3)."""

YOUNG: Final = 10_000
"""Objects made and not yet gone before the youngest are looked at; a call leaves no cycle."""


def seldom() -> None:
    """Look at what calls leave behind, seldom, and never again at what is loaded by now.

    A look at all modules takes some 50 ms, in which no call is answered; what is loaded stays for
    the life of the process. May be called again when more has been loaded.
    """
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 50)
    _libc("malloc_trim", 0)


def one_arena() -> None:
    """All threads allocate from one place, so that what one gives back another can use.

    Of the agent's threads only one computes at a time; glibc would keep an arena for each. Call
    it before the first thread is started.
    """
    _libc("mallopt", M_ARENA_MAX, 1)


def _libc(function: str, *arguments: int) -> None:
    """Calls it where the C library has it: both of these are glibc's own."""
    found = getattr(ctypes.CDLL(None), function, None)
    if found is not None:
        found(*arguments)
