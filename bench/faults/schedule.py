"""Which faults a run has, and when: drawn from the seed alone."""
# ruff: noqa: S311 -- a run must repeat, nothing here is a secret

import random
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Final

from bench.faults.kinds import CENTRAL, CLOCKS, STORE, FaultKind

LASTS_S: Final = (0.3, 1.5)
"""How long a pause, a cut or an absence lasts."""
JUMPS: Final = 6
"""Times that a clock is moved at most."""


class Scale(Enum):
    """How much of a platform a run has."""

    ALONE = "alone"
    """One gateway, its ledger a file."""
    SHARED = "shared"
    """Two gateways that count together in a Redis; a file each."""
    FULL = "full"
    """The same, and their rows go by a collector into one PostgreSQL."""

    @property
    def gateways(self) -> int:
        """How many there are."""
        return 1 if self is Scale.ALONE else 2


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault that begins when so many calls have begun. `amount` is in seconds.

    `target` names a provider, or is the number of a gateway (modulo how many there are).
    """

    at_call: int
    kind: FaultKind
    target: str
    amount: float


def faults(
    seed: int, count: int, *, every: int, scale: Scale = Scale.ALONE
) -> tuple[list[Planned], list[Planned]]:
    """The faults of a run: each kind in turn, in an order of the seed, one in `every` calls.

    Two lists, which are done at the same time: at the gateways, and in the middle of a cluster,
    which no caller may notice. Clocks go last, since what was counted before can't be told from
    outside for a minute after.
    """
    chooser = random.Random(f"faults {seed}")
    places = list(range(every // 2, count - every // 2, every))
    jumps = min(JUMPS if scale is Scale.FULL else len(CLOCKS), len(places) // 12 * 2)
    out = CENTRAL | set(CLOCKS)
    out |= {FaultKind.LOCK_LEDGER} if scale is Scale.FULL else set()
    out |= STORE if scale is Scale.ALONE else set()
    ours = [kind for kind in FaultKind if kind not in out]
    kinds = _turns(chooser, ours, len(places) - jumps)
    kinds += [CLOCKS[number % 2] for number in range(jumps)]
    at_gateways = [
        _planned(chooser, place, kind, every=every, scale=scale)
        for place, kind in zip(places, kinds, strict=True)
    ]
    if scale is not Scale.FULL:
        return at_gateways, []
    central = [kind for kind in FaultKind if kind in CENTRAL or kind is FaultKind.LOCK_LEDGER]
    turns = _turns(chooser, central, len(places))
    return at_gateways, [
        _planned(chooser, place, kind, every=every, scale=scale)
        for place, kind in zip(places, turns, strict=True)
    ]


def _turns(chooser: random.Random, kinds: Collection[FaultKind], count: int) -> list[FaultKind]:
    found: list[FaultKind] = []
    while len(found) < count:
        round_ = list(kinds)
        chooser.shuffle(round_)
        found += round_
    return found[:count]


def _planned(
    chooser: random.Random, place: int, kind: FaultKind, *, every: int, scale: Scale
) -> Planned:
    targets = "ab" if "provider" in kind.value else "01" if scale.gateways > 1 else [""]
    return Planned(
        at_call=place + chooser.randint(0, every // 4),
        kind=kind,
        target=chooser.choice(targets),
        amount=round(chooser.uniform(*LASTS_S), 2),
    )
