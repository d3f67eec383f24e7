"""What a run does: its calls and its faults, each drawn from the seed alone."""
# ruff: noqa: S311 -- a run must repeat, nothing here is a secret

import json
import random
from dataclasses import dataclass
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
    Kind.PLAIN: 30,
    Kind.STREAM: 22,
    Kind.EMBEDDING: 8,
    Kind.FALLBACK: 9,
    Kind.STREAM_FALLBACK: 6,
    Kind.ALL_FAIL: 2,
    Kind.LEAVE_UNARY: 5,
    Kind.LEAVE_STREAM: 8,
    Kind.LIE: 7,
    Kind.STREAM_LIE: 3,
}
STREAMS: Final = frozenset({Kind.STREAM, Kind.STREAM_FALLBACK, Kind.LEAVE_STREAM, Kind.STREAM_LIE})


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `leave_s` seconds or `leave_events` events after which the caller hangs up."""

    number: int
    kind: Kind
    user: str
    team: str
    alias: str
    told: dict[str, Any]
    leave_s: float | None = None
    leave_events: int | None = None
    abrupt: bool = False

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
        told = json.dumps({"call": self.number, **self.told})
        if self.kind is Kind.EMBEDDING:
            return json.dumps({"model": self.alias, "input": told}).encode()
        said = {
            "model": self.alias,
            "max_tokens": CAP,
            "stream": self.kind in STREAMS,
            "metadata": {"call": str(self.number)},
            "messages": [{"role": "user", "content": told}],
        }
        return json.dumps(said).encode()


def calls(seed: int, count: int) -> list[Call]:
    """The calls of a run."""
    chooser = random.Random(f"calls {seed}")
    kinds = chooser.choices(list(WEIGHTS), list(WEIGHTS.values()), k=count)
    return [_call(chooser, number, kind) for number, kind in enumerate(kinds)]


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


class FaultKind(Enum):
    """What is done to the gateway or around it."""

    KILL_AGENT = "kill agent"
    KILL_ENVOY = "kill Envoy"
    KILL_BOTH = "kill agent and Envoy"
    KILL_ALL = "kill up, agent and Envoy"
    KILL_PROVIDER = "kill provider"
    PAUSE_AGENT = "pause agent"
    PAUSE_ENVOY = "pause Envoy"
    PAUSE_PROVIDER = "pause provider"
    FILL_DISK = "disk full"
    KILL_FULL = "kill agent while its disk is full"
    LOCK_LEDGER = "ledger locked"
    KILL_STORE = "kill shared store, which returns empty"
    PAUSE_STORE = "pause shared store"
    EMPTY_STORE = "empty shared store"
    CLOCK_AHEAD = "clock ahead"
    CLOCK_BACK = "clock back"


STORE: Final = frozenset({FaultKind.KILL_STORE, FaultKind.PAUSE_STORE, FaultKind.EMPTY_STORE})
"""Only where gateways share one."""
CLOCKS: Final = (FaultKind.CLOCK_AHEAD, FaultKind.CLOCK_BACK)


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault that begins when so many calls have begun. `amount` is in seconds.

    `target` names a provider, or is the number of a gateway (modulo how many there are).
    """

    at_call: int
    kind: FaultKind
    target: str
    amount: float


def faults(seed: int, count: int, *, every: int, shared: bool = False) -> list[Planned]:
    """The faults of a run: each kind in turn, in an order of the seed, one in `every` calls.

    Clocks go last, since what was counted before can't be told from outside for a minute after.
    """
    chooser = random.Random(f"faults {seed}")
    places = list(range(every // 2, count - every // 2, every))
    clocks = min(len(CLOCKS), len(places) // 6)
    kinds: list[FaultKind] = []
    while len(kinds) < len(places) - clocks:
        round_ = [
            kind for kind in FaultKind if kind not in CLOCKS and (shared or kind not in STORE)
        ]
        chooser.shuffle(round_)
        kinds += round_
    kinds = [*kinds[: len(places) - clocks], *CLOCKS[:clocks]]
    return [
        Planned(
            at_call=place + chooser.randint(0, every // 4),
            kind=kind,
            target=chooser.choice("ab" if "provider" in kind.value else "01" if shared else [""]),
            amount=round(chooser.uniform(0.5, 2.0), 2),
        )
        for place, kind in zip(places, kinds, strict=True)
    ]
