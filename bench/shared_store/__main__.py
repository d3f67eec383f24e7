"""The shared store: CPU per call with shares, and a thousand callers at each of four gateways.

`cd bench && python -m shared_store`. A Redis is started for the run. CPU is this process' alone.
"""

import argparse
import asyncio
import bisect
import contextlib
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import redis

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from gateway import gateway, server_command
from quota_engine import limits as eight_limits

from bailiwick_sidecar.accounting.journal import FileJournal
from bailiwick_sidecar.accounting.model import Intent, Row, RowState, Usage
from bailiwick_sidecar.quota.model import Amounts, Caller, Grant, Reservation

KNOWN_MS = 100
RATES = (2_500_000, 250_000, 10_000_000, 2_500_000, 40_000_000, 80_000_000, 0)


@contextlib.contextmanager
def server() -> Iterator[int]:
    """A Redis's port."""
    with tempfile.TemporaryDirectory() as directory, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
        free.close()
        with subprocess.Popen(server_command(port, Path(directory))) as process:
            for _ in range(200):
                with contextlib.suppress(redis.ConnectionError):
                    if redis.Redis(port=port).ping():
                        break
                time.sleep(0.05)
            try:
                yield port
            finally:
                process.kill()


def intent(key: tuple[str, int], caller: Caller, now: int) -> Intent:
    """What the gateway writes down before a call leaves."""
    return Intent(
        key=key, admitted_at=now, deadline=now + 60_000, caller=caller, cost_center="cc-1",
        tags=(), backend="primary", provider="ClusterModelProvider/openai-eu", model="gpt-5-mini",
        alias="fast", operation="chat", stream=False, input_bound=700, output_bound=500,
        cost_bound=2_000_000_000, price_source="PriceBook/list/gpt-5-mini", rates=RATES,
    )  # fmt: skip


async def per_call(port: int, *, calls: int, users: int, rate: int, together: int) -> None:
    """Reserve, journal, settle, journal: CPU of this process per call."""
    with tempfile.TemporaryDirectory() as directory:
        store, clock = gateway(port, "bench", eight_limits(10**12, "100000000"))
        journal = FileJournal(Path(directory) / "journal")
        tuple(journal.replay())
        journal.roll(b"null", now=clock())
        running = asyncio.create_task(store.run())
        callers = [Caller("search", "ranking", f"u{n}", "fast", "shared") for n in range(users)]
        amounts, used = Amounts(1200, 2_000_000_000), Amounts(300, 500_000_000)
        loop = asyncio.get_running_loop()
        waits: list[float] = []

        async def one(number: int) -> None:
            now = clock()
            key, caller = (f"id-{number}", 1), callers[number % users]
            begin = loop.time()
            answer = await store.reserve(Reservation(key, caller, amounts, now + 60_000), now)
            waits.append(loop.time() - begin)
            assert isinstance(answer, Grant)
            written = intent(key, caller, now)
            journal.intent(written)
            await journal.durable()
            await asyncio.sleep(0.02)
            row = Row(
                intent=written, state=RowState.SETTLED, ended_at=now, status=200,
                usage=Usage(200, 100), cost=500_000_000, duration_ms=20, first_byte_ms=10,
                reason="usage",
            )  # fmt: skip
            journal.outcome(row)
            await store.settle(key, used, clock())

        await one(-1)  # the store's first answer, which waits until it knows everybody
        messages, cpu = store.lessee.sequence, time.process_time()
        begin, pace = loop.time(), together / rate
        waits.clear()
        for batch in range(calls // together):
            await asyncio.gather(*(one(batch * together + n) for n in range(together)))
            await asyncio.sleep(max(0.0, begin + (batch + 1) * pace - loop.time()))
        took, cpu = loop.time() - begin, time.process_time() - cpu
        # What the load itself costs: the same without store and journal.
        idle = time.process_time()
        for _ in range(calls // together):
            await asyncio.gather(*(asyncio.sleep(0.02) for _ in range(together)))
        idle = time.process_time() - idle
        waits.sort()
        print(
            f"{users:>6} users {calls / took:>6.0f} calls/s"
            f"{(cpu - idle) / calls * 1e6:>10.1f} µs/call"
            f"{calls / (store.lessee.sequence - messages):>8.1f} calls/message"
            f"{waits[len(waits) // 2] * 1e3:>9.3f} ms p50"
            f"{waits[int(len(waits) * 0.99)] * 1e3:>8.2f} ms p99"
        )
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        journal.close()


def crowds(port: int, *, cap: int, callers: int, seconds: float, hold: float, seed: int) -> None:
    """Four gateways, each a process, on one limit; then the events of all are put in order."""
    script = Path(__file__).with_name("crowd.py")
    options = {
        "port": port, "cap": cap, "callers": callers, "seconds": seconds, "hold": hold
    }  # fmt: skip
    words = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    children = [
        subprocess.Popen(
            [sys.executable, script, *words, "--name", f"r{n}", "--seed", str(seed + n)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(4)
    ]
    events = []
    for child in children:
        said, _ = child.communicate()
        assert child.returncode == 0
        for line in said.splitlines():
            what, *figures = line.split()
            events.append((what, *map(int, figures)))
    report(events, cap=cap)


def report(events: list[tuple[str, int, int, int, int]], *, cap: int) -> None:
    """Overshoot: the most that was granted and not yet given back, beyond the cap.

    A refusal is false if the call would have fit at every moment from its beginning to its end,
    where what one gateway gives back is there for the others KNOWN_MS later.
    """
    granted_at = [(end, asked) for what, _, end, asked, _ in events if what == "g"]
    back_at = [(begin, -asked) for what, begin, _, asked, _ in events if what == "s"]
    _, use = _course(granted_at + back_at)
    most = max(use)
    moments, use = _course(granted_at + [(at + KNOWN_MS, change) for at, change in back_at])
    refusals = [event for event in events if event[0] == "r"]
    false = 0
    for _, begin, end, asked, _ in refusals:
        low = max(0, _before(moments, begin) - 1)
        high = _before(moments, end)
        busiest = max(use[low : high + 1], default=0)
        false += busiest + asked <= cap
    granted = sum(event[0] == "g" for event in events)
    print(
        f"{granted:>8} granted {len(refusals):>8} refused   most in use {most:,} of {cap:,}"
        f"   overshoot {max(0, most - cap)}   false refusals {false}"
    )


def _course(changes: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """When use changed, and what it was from then on."""
    moments, use, used = [], [], 0
    for at, change in sorted(changes):
        used += change
        moments.append(at)
        use.append(used)
    return moments, use


def _before(moments: list[int], at: int) -> int:
    return bisect.bisect_right(moments, at)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--callers", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print("CPU of a gateway per reserve + settle, eight limits, journal included:")
    for users, rate in ((1, 2_000), (1, 500), (20, 1_000), (200, 1_000)):
        with server() as port:
            asyncio.run(per_call(port, calls=options.calls, users=users, rate=rate, together=20))
    for callers, cap, hold in (
        (options.callers, 123_457, 0.0),
        (options.callers // 4, 123_457, 2.0),
        (options.callers // 4, 30_011, 2.0),
    ):
        held = f"held for up to {hold:.0f} s and given back" if hold else "kept"
        print(f"{callers:,} callers at each of 4 gateways, one limit of {cap:,} tokens, {held}:")
        with server() as port:
            crowds(
                port, cap=cap, callers=callers, seconds=options.seconds, hold=hold,
                seed=options.seed,
            )  # fmt: skip
    print(f"largest process {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024} MiB")


if __name__ == "__main__":
    main()
