"""A gateway's accounting from start to kill to start, with the real quota engine."""

import json
from pathlib import Path

from accounting.samples import ALICE, START, Clock, Rows, intent, run

from bailiwick_contract.v1.tenant_config_pb2 import Limit
from bailiwick_sidecar.accounting.journal import FileJournal
from bailiwick_sidecar.accounting.model import Intent, RowState
from bailiwick_sidecar.accounting.recovery import reservation_of
from bailiwick_sidecar.accounting.service import Accounting
from bailiwick_sidecar.quota.engine import Engine
from bailiwick_sidecar.quota.limits import CompiledLimits
from bailiwick_sidecar.quota.memory import MemoryStore
from bailiwick_sidecar.quota.model import Grant, LimitKind

FIGURES = '{"prompt_tokens":800,"completion_tokens":200}'
KINDS = (
    Limit.KIND_REQUESTS_PER_MINUTE,
    Limit.KIND_TOKENS_PER_MONTH,
    Limit.KIND_CONCURRENT_REQUESTS,
)


async def _reopened() -> None:
    return


class Gateway:
    """Everything that accounting needs, on a directory that outlives it."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        limits = CompiledLimits.of(
            Limit(
                id=f"limit-{kind}",
                kind=kind,
                scope=Limit.SCOPE_TENANT,
                mode=Limit.MODE_ENFORCE,
                amount=1_000_000,
            )
            for kind in KINDS
        )
        self.engine = Engine(limits, "Europe/Berlin")
        self.store = MemoryStore(self.engine)
        self.ledger = Rows()
        self.clock = clock
        self.log = directory / "usage.log"
        self.accounting = Accounting(
            journal=FileJournal(directory / "journal", segment_bytes=3_000),
            store=self.store,
            counters=self.engine,
            ledger=self.ledger,
            log_path=self.log,
            reopen=_reopened,
            clock=clock,
        )

    async def admit(self, record: Intent) -> None:
        grant = await self.store.reserve(reservation_of(record), self.clock())
        assert isinstance(grant, Grant)
        await self.accounting.book.open(record)

    async def answer(self, *records: dict[str, object]) -> None:
        with self.log.open("ab") as file:
            file.write(b"".join(json.dumps(record).encode() + b"\n" for record in records))
        await self.accounting.tail.drain()

    def used(self) -> dict[LimitKind, int]:
        return {state.kind: state.used for state in self.engine.states(ALICE, self.clock())}

    def killed(self) -> None:
        """Gives back what the kernel would: nothing is said to anyone."""
        self.accounting.tail.close()
        self.accounting.journal.close()


def ends(name: str, status: int = 200, usage: str | None = FIGURES) -> list[dict[str, object]]:
    end = {"k": "a", "id": name, "n": 1, "s": status, "tx": 9, "rx": 9}
    return [end, {"k": "r", "id": name, "n": 1, "s": status, "u": usage}]


def test_restart_finds_everything_as_it_was(tmp_path: Path) -> None:
    """Killed at any point, over segments, the next process counts exactly what the last one did.

    Records that Envoy wrote meanwhile settle what was open.
    """

    async def main() -> None:
        clock = Clock()
        gateway = Gateway(tmp_path, clock)
        await gateway.accounting.recover()
        for number in range(60):
            name = f"call-{number}"
            await gateway.admit(intent(name, admitted_at=clock()))
            if number % 4 == 0:
                await gateway.answer(*ends(name))
            if number % 4 == 1:
                await gateway.answer({"k": "a", "id": name, "n": 1, "s": 0, "f": "UF", "tx": 0})
            if number % 4 == 2:
                await gateway.answer(ends(name)[0])
            clock.now += 5
            if number % 9 == 8:
                await gateway.accounting.tail.keep_up()
                if gateway.accounting.journal.due:
                    await gateway.accounting.upkeep()
            if number % 13 == 12:
                before, in_flight = gateway.used(), gateway.accounting.book.in_flight
                gateway.killed()
                gateway = Gateway(tmp_path, clock)
                found = await gateway.accounting.recover()
                assert gateway.used() == before
                assert found.open == gateway.accounting.book.in_flight == in_flight
                assert found.garbage == 0
        open_ = gateway.accounting.book.in_flight
        assert open_ == 30
        for number in range(60):
            await gateway.answer(*ends(f"call-{number}"))

        assert gateway.accounting.book.in_flight == 0
        assert gateway.used() == {
            LimitKind.REQUESTS_PER_MINUTE: 45,
            LimitKind.TOKENS_PER_MONTH: 45_000,
            LimitKind.CONCURRENT_REQUESTS: 0,
        }
        await gateway.accounting.close()

    run(main())


def test_end_that_was_read_before_a_kill_is_read_again(tmp_path: Path) -> None:
    """An answer whose figures came after the kill still settles with its own record."""

    async def main() -> None:
        clock = Clock()
        gateway = Gateway(tmp_path, clock)
        await gateway.accounting.recover()
        await gateway.admit(intent("s"))
        own, request = ends("s")
        await gateway.answer({**own, "d": 77})
        await gateway.accounting.tail.keep_up()
        gateway.killed()

        gateway = Gateway(tmp_path, clock)
        await gateway.accounting.recover()
        await gateway.answer(request)
        (row,) = gateway.ledger.rows
        assert (row.state, row.duration_ms) == (RowState.SETTLED, 77)
        await gateway.accounting.close()

    run(main())


def test_a_host_whose_clock_is_not_the_counters_takes_no_live_envoy_for_dead(
    tmp_path: Path,
) -> None:
    """A shared store says the time: the host, 45 s ahead of it, saw Envoy start 2 s ago."""

    async def main() -> None:
        clock = Clock()
        gateway = Gateway(tmp_path, clock)
        await gateway.accounting.recover()
        await gateway.admit(intent("before", admitted_at=START - 2_001))
        await gateway.admit(intent("under way", admitted_at=START))
        gateway.accounting.envoy_started(START + 43_000, now=START + 45_000)
        await gateway.accounting.upkeep()

        states = {row.intent.key[0]: row.state for row in gateway.ledger.rows}
        assert states == {"before": RowState.UNKNOWN}
        await gateway.accounting.close()

    run(main())


def test_envoy_that_died_leaves_unknown_rows(tmp_path: Path) -> None:
    """What its log had is settled; the rest of its attempts is charged as reserved."""

    async def main() -> None:
        clock = Clock()
        gateway = Gateway(tmp_path, clock)
        await gateway.accounting.recover()
        await gateway.admit(intent("logged", admitted_at=START))
        await gateway.admit(intent("lost", admitted_at=START))
        with gateway.log.open("ab") as file:
            file.writelines(json.dumps(record).encode() + b"\n" for record in ends("logged"))
        gateway.accounting.envoy_started(START + 1, now=START)
        await gateway.accounting.upkeep()

        states = {row.intent.key[0]: row.state for row in gateway.ledger.rows}
        assert states == {"logged": RowState.SETTLED, "lost": RowState.UNKNOWN}
        assert gateway.used()[LimitKind.TOKENS_PER_MONTH] == 1_000 + 1_500
        await gateway.accounting.close()

    run(main())
