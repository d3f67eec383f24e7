"""What the command says when it can't go on, and the exit code that goes with it."""

from bailiwick_contract.errors import BailiwickError

FAILED = 1
"""Something asked for was not done: an invalid file, a busy port, a missing key."""
UNEXPECTED = 70
"""A fault of Bailiwick's own (EX_SOFTWARE of sysexits.h)."""


class CommandError(BailiwickError):
    """A mistake or circumstance that the person at the keyboard can cure."""


class DataDirError(CommandError):
    """The data directory is missing, in use, or open to others."""


class PortError(CommandError):
    """A port that is needed is taken or out of range."""


class StartError(CommandError):
    """A process that the command started did not come up."""
