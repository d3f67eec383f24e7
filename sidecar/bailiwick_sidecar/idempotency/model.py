"""One keyed call, what may be kept of it, and how much of that."""

from enum import Enum
from typing import Final

import msgspec

KEY_HOURS: Final = 24
KEY_MS: Final = KEY_HOURS * 3_600_000
"""How long a key means the call that it came with first."""
ANSWER_MS: Final = 3_600_000
"""How long its answer is kept, in memory alone."""
MAX_KEYS: Final = 50_000
MAX_KEYS_OF_CALLER: Final = 5_000
"""Beyond either the oldest key is forgotten: of the caller, or of all."""
MAX_ANSWER: Final = 1 << 20
"""Bytes; a larger answer is not kept."""
MAX_ANSWERS: Final = 32 << 20
"""Bytes of all answers; beyond, the oldest is let go."""
LATE_MS: Final = 60_000
"""How long after its deadline a call is still waited for."""


class State(Enum):
    """How far a keyed call is."""

    OPEN = "open"
    """Under way: whoever comes with its key has to wait."""
    ANSWERED = "answered"
    """Made, and its answer is here."""
    SPENT = "spent"
    """Made, and its answer is not here (any more)."""


class Kept(msgspec.Struct, frozen=True):
    """An answer as it will be given again."""

    status: int
    media: str
    body: bytes
    at: int


class Claim(msgspec.Struct):
    """One key of one caller. `caller`, `key` and `digest` are hashes; times are ms."""

    caller: str
    key: str
    digest: str
    stream: str
    """Id of the call that came first."""
    at: int
    deadline: int
    state: State = State.OPEN
    charged: bool = False
    """An attempt of it may have cost something."""
    ended: bool = False
    """Its request's record came."""
    kept: Kept | None = None
