"""What a replica says to the store that it shares, and what it hears. Values only."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from bailiwick_sidecar.quota.model import Reservation
from bailiwick_sidecar.quota.plans import Plan
from bailiwick_sidecar.quota.shared import Report, SharedCounter


@dataclass(slots=True)
class CounterNews:
    """What a message says of one counter. Amounts are whole numbers in the counter's unit."""

    counter: SharedCounter
    held: int
    own: int
    reports: list[Report]
    wanted: int = 0
    asked: int = 0


class Ask(NamedTuple):
    """A reservation, and what it needs of which of the message's counters (places from 0)."""

    reservation: Reservation
    plan: Plan
    needs: tuple[tuple[int, int], ...]


@dataclass(slots=True)
class Message:
    """All that one call to the store says. `acked` is the newest message that was answered."""

    sequence: int
    acked: int
    sent_at: int
    counters: list[CounterNews] = field(default_factory=list)
    asks: list[Ask] = field(default_factory=list)


class Standing(NamedTuple):
    """The store on one counter.

    `used` is all that is used or held, without what this replica holds; of it, others hold `held`.
    `extra` is what it may hold beside what it asked for. `hungry`: somebody was refused lately;
    `freed` is when somebody last gave something back while that was so.
    """

    used: int
    extra: int
    hungry: bool
    held: int
    freed: int


class Answer(NamedTuple):
    """The store on one ask: granted, to be asked again, or which counters refuse.

    `refusing` has each counter's place in the message and when it has room (wall ms; -1: unknown).
    """

    granted: bool
    wait: bool = False
    refusing: tuple[tuple[int, int], ...] = ()


class Missing(IntEnum):
    """What a store lacks of gateways that are gone, and `rebuilding` has to bring back."""

    NOTHING = 0
    NAMESPACE = 1
    """What is counted in this replica's namespace alone."""
    TENANT = 2
    """That, and what is counted over all of them."""


class Reply(NamedTuple):
    """What the store says to a message. Times are the store's.

    `heard` is since when all other replicas have spoken that may have something to give back.
    `loss` names the newest of the store's losses, `missing` what is not made good of it.
    """

    wall: int
    at: int
    epoch: str
    last: int
    live: int
    waiting: bool
    heard: int
    standings: Sequence[Standing]
    answers: Sequence[Answer]
    loss: str = ""
    missing: Missing = Missing.NOTHING
