"""One gateway with a thousand callers, as a process of its own: prints what happened to each call.

A line per event: `g`, `r` or `s` (granted, refused, settled), when it began and ended (ms of the
store's clock), tokens asked for, tokens used.
"""

import argparse
import asyncio
import random
import sys

from quota_store.replica import gateway

from bailiwick_sidecar.quota.lessee import Lessee, Promised, Verdict
from bailiwick_sidecar.quota.limits import CompiledLimit, CompiledLimits
from bailiwick_sidecar.quota.messages import Message, Reply
from bailiwick_sidecar.quota.model import (
    Amounts,
    AttemptKey,
    Caller,
    Grant,
    LimitKind,
    Reservation,
)

CALLER = Caller("search", "ranking", "u", "fast", "shared")
Event = tuple[str, int, int, int, int]


def note_promises(lessee: Lessee) -> dict[AttemptKey, int]:
    """When each call was granted; it may learn of it a while later, on a busy machine."""
    noted: dict[AttemptKey, int] = {}
    apply = lessee.apply

    def noting(message: Message, reply: Reply, now: int) -> list[Verdict]:
        verdicts = apply(message, reply, now)
        for one in verdicts:
            if isinstance(one, Promised):
                noted[one.reservation.key] = now
        return verdicts

    lessee.apply = noting  # type: ignore[method-assign]
    return noted


async def crowd(options: argparse.Namespace) -> list[Event]:
    """Every caller calls until the time is over."""
    kind = LimitKind.TOKENS_PER_MONTH
    limits = CompiledLimits([CompiledLimit("tenant#month", kind, options.cap, tenant_wide=True)])
    store, clock = gateway(options.port, options.name, limits)
    promised = note_promises(store.lessee)
    running = asyncio.create_task(store.run())
    chance = random.Random(options.seed)  # noqa: S311 - a load, no secret
    events: list[Event] = []
    loop = asyncio.get_running_loop()
    end = loop.time() + options.seconds

    async def caller(number: int) -> None:
        turn = 0
        await asyncio.sleep(chance.random())
        while loop.time() < end:
            turn += 1
            asked, begin = chance.randint(1, 400), clock()
            key = (f"{options.name}-{number}-{turn}", 1)
            answer = await store.reserve(
                Reservation(key, CALLER, Amounts(asked, 0), begin + 60_000), begin
            )
            if not isinstance(answer, Grant):
                events.append(("r", begin, clock(), asked, 0))
                await asyncio.sleep(chance.random())
                continue
            events.append(("g", begin, promised.pop(key, clock()), asked, 0))
            await asyncio.sleep(chance.random() * options.hold)
            used = chance.randint(0, asked) if options.hold else asked
            if options.hold:
                events.append(("s", clock(), clock(), asked, used))
                # Given back whole in the end, or a month would soon be full for ever.
                await store.void(key, clock())

    async with asyncio.timeout(options.seconds + 60):
        await asyncio.gather(*(caller(number) for number in range(options.callers)))
    await asyncio.sleep(0.5)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return events


def main() -> None:
    """Run, then print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--name")
    parser.add_argument("--cap", type=int)
    parser.add_argument("--callers", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--hold", type=float)
    parser.add_argument("--seed", type=int)
    events = asyncio.run(crowd(parser.parse_args()))
    sys.stdout.write("".join(" ".join(map(str, event)) + "\n" for event in events))


if __name__ == "__main__":
    main()
