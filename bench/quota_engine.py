"""CPU time of the quota engine per call, as a table: `python bench/quota_engine.py`.

Eight limits apply to each call, as in examples/acme: four of the tenant, two of a team, two of a
user, each user with counters of its own. Medians of rounds; the machine should be quiet.
"""

import argparse
import statistics
import time
from collections.abc import Callable

from bailiwick_contract.money import pico
from bailiwick_sidecar.quota.engine import Engine
from bailiwick_sidecar.quota.limits import CompiledLimit, CompiledLimits
from bailiwick_sidecar.quota.model import Amounts, Caller, Grant, LimitKind, Reservation

OPEN = 50
"""Reservations under way at any time."""
START = 1_785_000_000_000
TEAM, USER = (("team", "search"),), ("user",)


def limits(amount: int, money: str) -> CompiledLimits:
    """Eight limits; all are far away, or all are reached at once."""
    kinds = LimitKind
    return CompiledLimits(
        [
            CompiledLimit("tenant#rps", kinds.REQUESTS_PER_SECOND, amount),
            CompiledLimit("tenant#tpm", kinds.TOKENS_PER_MINUTE, amount),
            CompiledLimit("tenant#concurrent", kinds.CONCURRENT_REQUESTS, amount),
            CompiledLimit("tenant#budgetMonth", kinds.BUDGET_MONTH, pico(money)),
            CompiledLimit("search#tpm", kinds.TOKENS_PER_MINUTE, amount, fixed=TEAM),
            CompiledLimit("search#month", kinds.TOKENS_PER_MONTH, amount, fixed=TEAM),
            CompiledLimit("each-user#rpm", kinds.REQUESTS_PER_MINUTE, amount, each=USER),
            CompiledLimit("each-user#tpm", kinds.TOKENS_PER_MINUTE, amount, each=USER),
        ]
    )


def reservations(calls: int, users: int) -> list[Reservation]:
    """Calls of so many users in turn, two a millisecond."""
    callers = [Caller("search", "ranking", f"u{n}", "fast", "shared") for n in range(users)]
    amounts = Amounts(tokens=1200, cost=2_000_000_000)
    return [
        Reservation((f"id-{n}", 1), callers[n % users], amounts, START + n // 2 + 60_000)
        for n in range(calls)
    ]


def admitted(calls: int, users: int) -> Callable[[], float]:
    """A round of reserve and settle; returns µs of CPU per pair."""
    actual = Amounts(tokens=300, cost=500_000_000)

    def one_round() -> float:
        engine = Engine(limits(10**15, "1000000000000"), "Europe/Berlin")
        asked = reservations(calls, users)
        begin = time.process_time()
        for number, reservation in enumerate(asked):
            now = START + number // 2
            assert isinstance(engine.reserve(reservation, now), Grant)
            if number >= OPEN:
                engine.settle(asked[number - OPEN].key, actual, now)
        return (time.process_time() - begin) / calls * 1e6

    return one_round


def refused(calls: int, users: int) -> Callable[[], float]:
    """A round of refusals; returns µs of CPU per refusal."""

    def one_round() -> float:
        engine = Engine(limits(5_000, "0.01"), "Europe/Berlin")
        asked = reservations(calls, users)
        for number, reservation in enumerate(asked[:10]):
            engine.reserve(reservation, START + number)
        begin = time.process_time()
        for reservation in asked[10:]:
            engine.reserve(reservation, START + 20)
        return (time.process_time() - begin) / (calls - 10) * 1e6

    return one_round


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    cases = {
        "reserve + settle, 1 user": admitted(options.calls, 1),
        "reserve + settle, 1,000 users": admitted(options.calls, 1_000),
        "reserve + settle, every user new": admitted(options.calls, options.calls),
        "refusal by several limits": refused(options.calls, 1),
    }
    print(f"{'case':36}{'µs (median)':>12}{'µs (best)':>12}")
    for name, one_round in cases.items():
        took = [one_round() for _ in range(options.rounds)]
        print(f"{name:36}{statistics.median(took):12.1f}{min(took):12.1f}")


if __name__ == "__main__":
    main()
