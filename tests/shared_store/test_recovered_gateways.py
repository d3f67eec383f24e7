"""A gateway that was killed, on its journal again: the store hears what it had no time to say."""

from pathlib import Path

import pytest
from accounting.samples import ALICE, Rows, intent
from msgspec.structs import replace
from quota.building import KIND, limit
from shared_store.redis_server import RedisServer
from shared_store.replicas import Replica, replicas, run, until
from shared_store.test_one_limit_for_all import shared

from bailiwick_sidecar.accounting.journal import FileJournal
from bailiwick_sidecar.accounting.recovery import checkpoint, reservation_of
from bailiwick_sidecar.accounting.service import Accounting
from bailiwick_sidecar.quota.model import Grant

CAP = {KIND.TOKENS_PER_MONTH: 1_500, KIND.TOKENS_PER_MINUTE: 1_500, KIND.CONCURRENT_REQUESTS: 1}


async def _reopened() -> None:
    return


def accounting(replica: Replica, directory: Path) -> Accounting:
    return Accounting(
        journal=FileJournal(directory / "journal"),
        store=replica.store,
        counters=replica.engine,
        ledger=Rows(),
        log_path=directory / "usage.log",
        reopen=_reopened,
        clock=replica.clock,
    )


@pytest.mark.parametrize("kind", CAP)
@pytest.mark.parametrize("rolled", [False, True])
def test_a_void_that_was_never_told_is_told_after_a_kill(
    server: RedisServer, tmp_path: Path, kind: KIND, *, rolled: bool
) -> None:
    """It is in the journal alone; the recovered gateway uses nothing more, and others have it.

    `rolled`: a segment began meanwhile, so that a checkpoint of the counters carries it.
    """
    limits = shared(limit("a", kind, CAP[kind]))
    one, other = (Replica(server.port, name, limits, grace_ms=50) for name in ("one", "other"))

    async def main() -> None:
        one.start()
        books = accounting(one, tmp_path)
        await books.recover()
        record = intent(deadline=one.clock() + 600_000)
        granted = await one.store.reserve(reservation_of(record), one.clock())
        assert isinstance(granted, Grant)
        record = replace(record, admitted_at=granted.at)
        await books.book.open(record)
        await until(lambda: not one.store.lessee.has_news)
        await one.kill()
        if rolled:
            checkpoint(books.journal, one.engine, now=one.clock())
        await books.book.abandon(record.key)
        if rolled:
            checkpoint(books.journal, one.engine, now=one.clock())
        books.tail.close()
        books.journal.close()

        again = Replica(server.port, "one", limits, grace_ms=50)
        await accounting(again, tmp_path).recover()
        async with replicas(again, other):
            await until(lambda: again.store.lessee.met and not again.store.lessee.has_news)
            key = await other.granted(1_500, by=ALICE)
            assert key in other.admitted

    run(main())
