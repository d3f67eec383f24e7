"""What a run asks: its calls, drawn from the seed alone."""
# ruff: noqa: S311 -- a run must repeat, nothing here is a secret

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

TEAMS: Final = {"search": "ranking", "support": "helpdesk", "bots": "crawling"}
USERS: Final = tuple((f"u{number}", tuple(TEAMS)[number % 3]) for number in range(12))
CAP: Final = 64
"""Output tokens that each call asks for at most."""

UNARY_LIES: Final = (
    "no_usage", "high_usage", "low_usage", "negative_usage", "word_usage", "html", "error_body",
    "long_length", "short_length", "cut", "hang_up",
)  # fmt: skip
STREAM_LIES: Final = ("no_usage", "high_usage", "negative_usage", "cut", "hang_up")


class Kind(Enum):
    """What a call is meant to meet."""

    PLAIN = "plain"
    STREAM = "stream"
    EMBEDDING = "embedding"
    FALLBACK = "fallback"
    STREAM_FALLBACK = "stream_fallback"
    ALL_FAIL = "all_fail"
    LEAVE_UNARY = "leave_unary"
    LEAVE_STREAM = "leave_stream"
    LIE = "lie"
    STREAM_LIE = "stream_lie"


WEIGHTS: Final = {
    Kind.PLAIN: 14,
    Kind.STREAM: 12,
    Kind.EMBEDDING: 6,
    Kind.FALLBACK: 11,
    Kind.STREAM_FALLBACK: 9,
    Kind.ALL_FAIL: 3,
    Kind.LEAVE_UNARY: 9,
    Kind.LEAVE_STREAM: 14,
    Kind.LIE: 14,
    Kind.STREAM_LIE: 8,
}
REPEATS: Final = 0.15
"""Part of the calls that is an earlier call once more."""
REPLAY_AFTER: Final = 60
"""Calls after which one is replayed at least: long enough for it to be answered."""
STREAMS: Final = frozenset({Kind.STREAM, Kind.STREAM_FALLBACK, Kind.LEAVE_STREAM, Kind.STREAM_LIE})


class Repeat(Enum):
    """How a call repeats an earlier one; both are calls like any other, and charged."""

    REPLAY = "replay"
    """The same bytes some calls later, under the x-request-id that the earlier answer had."""
    DUPLICATE = "duplicate"
    """The same bytes at once, as by a client that sends twice, under one x-request-id."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `leave_s` seconds or `leave_events` events after which the caller hangs up.

    A repetition has the body of the call `of`, and a number of its own.
    """

    number: int
    kind: Kind
    user: str
    team: str
    alias: str
    told: dict[str, Any]
    leave_s: float | None = None
    leave_events: int | None = None
    abrupt: bool = False
    repeat: Repeat | None = None
    of: int | None = None

    @property
    def tags(self) -> str:
        """What the header says of it; a chat has its first number in the body."""
        said = [f"call={self._first}"] if self.kind is Kind.EMBEDDING else []
        return ",".join([*said, *([f"copy={self.number}"] if self.of is not None else [])])

    @property
    def _first(self) -> int:
        return self.number if self.of is None else self.of

    @property
    def made_up_id(self) -> str:
        """The x-request-id that its caller makes up; a duplicate has the same."""
        return f"00000000-0000-4000-8000-{self._first:012x}"

    @property
    def path(self) -> str:
        """Where it goes."""
        end = "embeddings" if self.kind is Kind.EMBEDDING else "chat/completions"
        return f"/v1/{end}"

    @property
    def cap(self) -> int:
        """Output tokens that it reserves."""
        return 0 if self.kind is Kind.EMBEDDING else CAP

    def body(self) -> bytes:
        """The bytes that the caller sends."""
        told = json.dumps({"call": self._first, **self.told})
        if self.kind is Kind.EMBEDDING:
            return json.dumps({"model": self.alias, "input": told}).encode()
        said = {
            "model": self.alias,
            "max_tokens": CAP,
            "stream": self.kind in STREAMS,
            "metadata": {"call": str(self._first)},
            "messages": [{"role": "user", "content": told}],
        }
        return json.dumps(said).encode()


def calls(seed: int, count: int) -> list[Call]:
    """The calls of a run."""
    chooser = random.Random(f"calls {seed}")
    kinds = chooser.choices(list(WEIGHTS), list(WEIGHTS.values()), k=count)
    made: list[Call] = []
    for number, kind in enumerate(kinds):
        drawn = _call(chooser, number, kind)
        made.append(_repeated(chooser, made, number) or drawn)
    return made


def _repeated(chooser: random.Random, made: Sequence[Call], number: int) -> Call | None:
    """An earlier call once more, or None where it is no repetition's turn."""
    if chooser.random() >= REPEATS or not made:
        return None
    repeat = chooser.choice(list(Repeat))
    back = 1 if repeat is Repeat.DUPLICATE else chooser.randint(REPLAY_AFTER, 2 * REPLAY_AFTER)
    first = made[max(0, number - back)]
    of = first.number if first.of is None else first.of
    return replace(first, number=number, repeat=repeat, of=of)


def _call(chooser: random.Random, number: int, kind: Kind) -> Call:
    user, team = chooser.choice(USERS)
    # Most callers have two places to go to; some have one, and no second attempt.
    alias = chooser.choice(["both", "both", "both", "only-a", "only-b"])
    told: dict[str, Any] = {
        "tokens": chooser.randint(1, 20),
        "delay": round(chooser.expovariate(40), 3),
        "pad": "x" * chooser.randint(0, 300),
    }
    leave_s: float | None = None
    leave_events: int | None = None
    failing = {"status": chooser.choice([429, 500, 503])}
    match kind:
        case Kind.FALLBACK | Kind.STREAM_FALLBACK:
            alias, told["a"] = "both", failing
        case Kind.ALL_FAIL:
            told["status"] = chooser.choice([500, 503])
        case Kind.LEAVE_UNARY:
            told["delay"] = 0.3
            leave_s = chooser.uniform(0, 0.2)
        case Kind.LEAVE_STREAM:
            told |= {"tokens": 60, "pause": 0.01}
            leave_events = chooser.randint(1, 30)
        case Kind.LIE:
            told["lie"] = chooser.choice(UNARY_LIES)
        case Kind.STREAM_LIE:
            told["lie"] = chooser.choice(STREAM_LIES)
        case Kind.STREAM:
            told["pause"] = chooser.choice([0, 0.002, 0.01])
        case Kind.PLAIN | Kind.EMBEDDING:
            pass
    return Call(
        number=number,
        kind=kind,
        user=user,
        team=team,
        alias=alias,
        told=told,
        leave_s=leave_s,
        leave_events=leave_events,
        abrupt=chooser.random() < 0.5,
    )
