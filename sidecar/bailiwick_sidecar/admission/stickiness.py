"""Which backend a user stays at: weighted rendezvous hashing.

Each backend draws a number for the user; a weight stretches it. Where a backend goes, only its
users move; where a weight changes, only as many as the change asks for. No state, so every gateway
and every restart says the same. (Schindelhauer and Schomaker, Weighted distributed hash tables,
SPAA 2005.)
"""

import hashlib
import math
from collections.abc import Sequence
from typing import Final

from bailiwick_sidecar.admission.tables import Place

DRAWS: Final = 2**64


def ranked(places: Sequence[Place], *, user: str) -> list[Place]:
    """The places in the user's own order; shares over all users are the weights'. Pure."""
    return sorted(places, key=lambda place: (-_score(place, user), place.code))


def _score(place: Place, user: str) -> float:
    # The code names route and backend: users of two routes do not fall into the same half.
    seed = f"{place.code}\0{user}".encode()
    drawn = int.from_bytes(hashlib.blake2b(seed, digest_size=8).digest(), "big")
    return place.weight / -math.log((drawn + 0.5) / DRAWS)
