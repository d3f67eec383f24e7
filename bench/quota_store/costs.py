"""Processor time of a gateway per reserve + settle, journal included; and of plain proxying."""

import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from gateway.cases import Case
from gateway.costs import one_round
from quota_engine import limits as eight_limits
from quota_store.replica import gateway

from bailiwick_sidecar.accounting.journal import FileJournal
from bailiwick_sidecar.accounting.model import Intent, Row, RowState, Usage
from bailiwick_sidecar.quota.model import Amounts, Caller, Grant, Reservation

TOGETHER = 20
"""Calls that begin at once."""
ANSWERED_S = 0.02
RATES = (2_500_000, 250_000, 10_000_000, 2_500_000, 40_000_000, 80_000_000, 0)


@dataclass(frozen=True, slots=True)
class Load:
    """So many users, so many calls a second together. `bound` is in µs, where there is one."""

    users: int
    rate: int
    bound: float | None = 60.0

    @property
    def name(self) -> str:
        """As a table says it."""
        return f"{self.users} user{'s' if self.users > 1 else ''}, {self.rate:,} calls/s"


LOADS = (Load(1, 2_000), Load(1, 500), Load(20, 1_000), Load(200, 1_000))


@dataclass(frozen=True, slots=True)
class Cost:
    """What one round found: µs of processor time, calls for one message, ms of waiting."""

    us: float
    calls_per_message: float
    p50_ms: float
    p99_ms: float


def intent(key: tuple[str, int], caller: Caller, now: int) -> Intent:
    """What the gateway writes down before a call leaves."""
    return Intent(
        key=key, admitted_at=now, deadline=now + 60_000, caller=caller, cost_center="cc-1",
        tags=(), backend="primary", provider="ClusterModelProvider/openai-eu", model="gpt-5-mini",
        alias="fast", operation="chat", stream=False, input_bound=700, output_bound=500,
        cost_bound=2_000_000_000, price_source="PriceBook/list/gpt-5-mini", rates=RATES,
    )  # fmt: skip


async def per_call(port: int, load: Load, *, calls: int) -> Cost:
    """Reserve, journal, settle, journal: of this process, without what the load itself costs."""
    with tempfile.TemporaryDirectory() as directory:
        store, clock = gateway(port, "bench", eight_limits(10**12, "100000000"))
        journal = FileJournal(Path(directory) / "journal")
        tuple(journal.replay())
        journal.roll(b"null", now=clock())
        running = asyncio.create_task(store.run())
        callers = [
            Caller("search", "ranking", f"u{n}", "fast", "shared") for n in range(load.users)
        ]
        amounts, used = Amounts(1200, 2_000_000_000), Amounts(300, 500_000_000)
        loop = asyncio.get_running_loop()
        waits: list[float] = []

        async def one(number: int) -> None:
            now = clock()
            key, caller = (f"id-{number}", 1), callers[number % load.users]
            begin = loop.time()
            answer = await store.reserve(Reservation(key, caller, amounts, now + 60_000), now)
            waits.append(loop.time() - begin)
            if not isinstance(answer, Grant):
                raise SystemExit("a call was refused: the figures would be wrong")
            written = intent(key, caller, now)
            journal.intent(written)
            await journal.durable()
            await asyncio.sleep(ANSWERED_S)
            row = Row(
                intent=written, state=RowState.SETTLED, ended_at=now, status=200,
                usage=Usage(200, 100), cost=500_000_000, duration_ms=20, first_byte_ms=10,
                reason="usage",
            )  # fmt: skip
            journal.outcome(row)
            await store.settle(key, used, clock())

        await one(-1)  # the store's first answer, which waits until it knows everybody
        messages, cpu = store.lessee.sequence, time.process_time()
        begin, pace = loop.time(), TOGETHER / load.rate
        waits.clear()
        for batch in range(calls // TOGETHER):
            await asyncio.gather(*(one(batch * TOGETHER + n) for n in range(TOGETHER)))
            await asyncio.sleep(max(0.0, begin + (batch + 1) * pace - loop.time()))
        cpu = time.process_time() - cpu
        idle = time.process_time()
        for _ in range(calls // TOGETHER):
            await asyncio.gather(*(asyncio.sleep(ANSWERED_S) for _ in range(TOGETHER)))
        idle = time.process_time() - idle
        told = store.lessee.sequence - messages
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        journal.close()
    waits.sort()
    return Cost(
        us=(cpu - idle) / calls * 1e6,
        calls_per_message=calls / told,
        p50_ms=waits[len(waits) // 2] * 1e3,
        p99_ms=waits[int(len(waits) * 0.99)] * 1e3,
    )


def proxied(case: Case, port: int, pid: int) -> float:
    """µs of processor time that plain Envoy takes for one request."""
    (each,), _ = one_round(case, "none", (port, [pid]))
    return each * 1e6
