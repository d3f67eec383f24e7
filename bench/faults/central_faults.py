"""What befalls the middle of a cluster; no caller may notice any of it."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Sequence
from typing import Final

from bench.faults.central import Central
from bench.faults.processes import POLL_S

COMMIT_S: Final = 8.0
"""How long the collector is waited for to commit something: there may be no rows just now."""
BATCHES: Final = "bailiwick_collector_batches_total"


class CentralFaults:
    """Faults of one world's middle; each is over when its method returns."""

    def __init__(self, central: Central) -> None:
        self._central = central

    async def kill_database(self, seconds: float) -> None:
        """PostgreSQL dies as with its node, and is back after the time."""
        self._central.database.kill()
        await asyncio.sleep(seconds)
        await asyncio.to_thread(self._central.database.start)

    async def lock_ledger(self, seconds: float) -> None:
        """For a while somebody else has the table to himself."""
        await asyncio.to_thread(self._lock, seconds)

    def _lock(self, seconds: float) -> None:
        with self._central.database.connect() as held:
            held.execute("LOCK TABLE attempts IN ACCESS EXCLUSIVE MODE")
            time.sleep(seconds)
            held.rollback()

    async def pause(self, part: str, seconds: float) -> None:
        """No process of `database`, `collector` or `api` gets a turn for the time."""
        await _paused(self._central.processes()[part], seconds)

    async def kill_collector(self, seconds: float) -> None:
        """It dies, and is back after the time."""
        await asyncio.to_thread(self._central.kill_collector)
        await asyncio.sleep(seconds)
        await self._central.start_collector()

    async def cut_network(self, seconds: float) -> None:
        """No gateway reaches the collector for the time."""
        self._central.relay.cut()
        await asyncio.sleep(seconds)
        self._central.relay.mend()

    async def stall_network(self, seconds: float) -> None:
        """What is sent arrives after the time."""
        self._central.relay.stall()
        await asyncio.sleep(seconds)
        self._central.relay.mend()

    async def cut_answer(self) -> bool:
        """Rows were committed, and their gateway never hears so; False where there were none."""
        async with self._unheard() as committed:
            return committed

    async def lose_answer(self) -> bool:
        """As `cut_answer`, and the collector is dead."""
        async with self._unheard() as committed:
            if committed:
                await asyncio.to_thread(self._central.kill_collector)
        if committed:
            await self._central.start_collector()
        return committed

    @contextlib.asynccontextmanager
    async def _unheard(self) -> AsyncIterator[bool]:
        """Answers are lost; True once one to a batch that was committed is."""
        relay = self._central.relay
        relay.swallow_answers()
        try:
            before = await asyncio.to_thread(self._central.figure, BATCHES)
            lost, end = relay.swallowed, time.monotonic() + COMMIT_S
            committed = False
            while not committed and time.monotonic() < end:
                await asyncio.sleep(POLL_S)
                now = await asyncio.to_thread(self._central.figure, BATCHES)
                committed = now > before and relay.swallowed > lost
            yield committed
        finally:
            relay.mend()


async def _paused(pids: Sequence[int], seconds: float) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
