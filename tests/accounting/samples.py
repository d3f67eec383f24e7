"""Intents, rows and doubles that the tests of accounting and ledger share."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from msgspec.structs import replace

from bailiwick_sidecar.accounting.lines import Position
from bailiwick_sidecar.accounting.model import Intent, Row, RowState, Usage
from bailiwick_sidecar.quota.model import (
    Amounts,
    AttemptKey,
    Caller,
    Grant,
    LimitState,
    Reservation,
)

T = TypeVar("T")
START = 1_763_700_000_000
ALICE = Caller(team="search", project="ranking", user="alice", route="chat", tier="premium")
RATES = (2_500_000, 250_000, 10_000_000, 2_500_000, 40_000_000, 80_000_000, 0)


def intent(stream_id: str = "s", attempt: int = 1, **changes: Any) -> Intent:
    """An intent of a unary chat call that reserved 1,000 input and 500 output tokens."""
    base = Intent(
        key=(stream_id, attempt),
        admitted_at=START,
        deadline=START + 60_000,
        caller=ALICE,
        cost_center="cc-1",
        tags=(("feature", "summarise"),),
        backend="primary",
        provider="ClusterModelProvider/openai-eu",
        model="gpt-5-mini",
        alias="fast",
        operation="chat",
        stream=False,
        input_bound=1_000,
        output_bound=500,
        cost_bound=10_000_000_000,
        price_source="PriceBook/list/gpt-5-mini",
        rates=RATES,
    )
    return replace(base, **changes)


def row(
    stream_id: str = "s", attempt: int = 1, *, cost: int = 5_000_000_000, **changes: Any
) -> Row:
    """A settled row of such an intent."""
    base = Row(
        intent=intent(stream_id, attempt),
        state=RowState.SETTLED,
        ended_at=START + 2_000,
        status=200,
        usage=Usage(input=800, output=200, cached_input=100, reasoning_output=50),
        cost=cost,
        duration_ms=1_900,
        first_byte_ms=300,
        reason="usage",
    )
    return replace(base, **changes)


class Books:
    """A quota store that keeps what was posted: key to amounts, None for a void."""

    def __init__(self) -> None:
        self.posted: list[tuple[AttemptKey, Amounts | None]] = []
        self.restored: list[tuple[Reservation, int, Amounts | None]] = []
        self.released: list[AttemptKey] = []

    async def reserve(self, reservation: Reservation, now: int) -> Grant:
        return Grant(tightest=(), at=now)

    async def settle(self, key: AttemptKey, actual: Amounts, now: int) -> int:
        self.posted.append((key, actual))
        return 0

    async def void(self, key: AttemptKey, now: int) -> None:
        self.posted.append((key, None))

    async def release(self, key: AttemptKey, now: int) -> None:
        self.released.append(key)

    async def states(self, caller: Caller, now: int) -> tuple[LimitState, ...]:
        return ()

    async def hear(self, caller: Caller, now: int) -> None:
        pass

    async def restore(self, entries: Any) -> None:
        self.restored.extend(entries)


class Rows:
    """A ledger that keeps what it is offered."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def offer(self, row: Row, position: Position) -> None:
        self.rows.append(row)


class Clock:
    """A clock that a test moves; ms since the epoch."""

    def __init__(self, now: int = START) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def run(main: Coroutine[Any, Any, T]) -> T:
    """The coroutine's result; a test that hangs fails after 30 seconds."""
    return asyncio.run(asyncio.wait_for(main, 30))


async def until(true: Callable[[], bool]) -> None:
    """Returns when it is true; the caller's time limit fails the test where it never is."""
    while not true():  # noqa: ASYNC110 - files and threads set no event
        await asyncio.sleep(0.001)
