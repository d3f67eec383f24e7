"""What a run leaves behind: what callers saw, what providers saw, what the books say."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Row = dict[str, Any]
"""One row of `ledger export --format json`."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One call as its caller saw it. Times are seconds since the epoch.

    `end` is `complete`, `left` (the caller hung up), `broken` (the answer stopped or never came)
    or `refused` (no connection). `code` and `limit` are of an error's body. `repeat` says how it
    repeats an earlier call, `said_id` is the x-request-id that its caller sent.
    """

    call: int
    user: str
    team: str
    kind: str
    bytes: int
    cap: int
    sent: float
    ended: float
    status: int
    end: str
    request_id: str = ""
    code: str = ""
    limit: dict[str, Any] | None = None
    gateway: int = 0
    repeat: str = ""
    said_id: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt as its provider saw it. `end` is empty where the provider died first.

    `usage` is what the provider said, as it said it; `lie` how it lied.
    """

    provider: str
    id: str
    began: float
    end: str = ""
    ended: float = 0.0
    call: int | None = None
    lie: str = ""
    status: int = 0
    usage: dict[str, Any] | None = None
    events: int = 0


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: when it began, when it was lifted, when the gateway served again."""

    kind: str
    target: str
    began: float
    lifted: float
    recovered: float
    amount: float = 0.0
    recovery_s: float | None = None
    """From a kill to the first `ready`; None for what kills nothing."""


@dataclass(frozen=True, slots=True)
class Intended:
    """One attempt in the journal: what was reserved before it left, and how often it ended."""

    id: str
    attempt: int
    tokens: int
    cost: str
    outcomes: int


@dataclass(frozen=True, slots=True)
class LimitRule:
    """One limit of the compiled config. `amount` is a count, or a decimal string of money."""

    id: str
    kind: str
    amount: str
    subject: dict[str, str]
    each: list[str]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that is checked."""

    seed: int
    seen: list[Seen]
    attempts: list[Attempt]
    rows: list[Row]
    faults: list[Fault]
    journal: list[Intended]
    rules: list[LimitRule]
    usage: list[dict[str, Any]] = field(default_factory=list)
    """Each caller's `GET /v1/usage` after the last row."""
    pending: int = 0
    """Attempts without a row at the end."""
    own_disk: bool = False
    """A full disk was full for Envoy too, whose records were lost then."""
    namespaces: tuple[str, ...] = ("acme-prod",)
    """Of the gateways that counted together, in the order of their numbers."""
    delivered_again: int | None = None
    """Rows that came to the collector a second time; None where there was none."""
    strangers: int = 0
    """Rows in the database that are not among the tenant's."""
    summed: dict[str, str] = field(default_factory=dict)
    """What the ledger adds up itself: `attempts` and `total cost`."""

    @property
    def gateways(self) -> int:
        """How many gateways counted together."""
        return len(self.namespaces)

    def save(self, path: Path) -> None:
        """Keep it, so that it can be looked at and checked again."""
        path.write_text(json.dumps(asdict(self)))


def load(path: Path) -> Evidence:
    """What `save` kept."""
    said = json.loads(path.read_text())
    return Evidence(
        seed=said["seed"],
        seen=[Seen(**one) for one in said["seen"]],
        attempts=[Attempt(**one) for one in said["attempts"]],
        rows=said["rows"],
        faults=[Fault(**one) for one in said["faults"]],
        journal=[Intended(**one) for one in said["journal"]],
        rules=[LimitRule(**one) for one in said["rules"]],
        usage=said["usage"],
        pending=said["pending"],
        own_disk=said["own_disk"],
        namespaces=tuple(said["namespaces"]),
        delivered_again=said["delivered_again"],
        strangers=said["strangers"],
        summed=said["summed"],
    )


def attempts_of(lines: Iterable[Mapping[str, Any]]) -> list[Attempt]:
    """The attempts that a provider's log tells of, in the order in which they began."""
    begun: dict[str, Attempt] = {}
    for line in lines:
        key = line["key"]
        if line["what"] == "begin":
            begun[key] = Attempt(provider=line["provider"], id=line["id"], began=line["t"])
            continue
        facts = {
            name: line[name]
            for name in ("end", "call", "lie", "status", "usage", "events")
            if name in line
        }
        first = begun[key]
        begun[key] = Attempt(
            provider=first.provider, id=first.id, began=first.began, ended=line["t"], **facts
        )
    return list(begun.values())
