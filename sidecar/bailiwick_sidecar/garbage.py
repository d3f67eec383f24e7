"""How often the garbage collector looks, and at what."""

import gc
from typing import Final

YOUNG: Final = 10_000
"""Objects made and not yet gone before the youngest are looked at; a call leaves no cycle."""


def seldom() -> None:
    """Look at what calls leave behind, seldom, and never again at what is loaded by now.

    A look at all modules takes some 50 ms, in which no call is answered; what is loaded stays for
    the life of the process. May be called again when more has been loaded.
    """
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 50)
