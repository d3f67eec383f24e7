"""Rows on their way from the journal to the ledger, through outages and kills."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from accounting.samples import START, intent, row

from bailiwick_sidecar.accounting.journal import FileJournal
from bailiwick_sidecar.accounting.model import Row
from bailiwick_sidecar.ledger.errors import LedgerUnavailableError
from bailiwick_sidecar.ledger.rows import Owner
from bailiwick_sidecar.ledger.store import SqliteLedger
from bailiwick_sidecar.ledger.writer import LedgerWriter

QUICK = {"linger": 0.005, "backoff": (0.001, 0.002)}


class Sink:
    """A ledger that a test can close."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.delivered = 0
        self.batches: list[int] = []
        self.refused = 0
        self.open = threading.Event()
        self.open.set()

    def write(self, rows: Sequence[Row]) -> None:
        if not self.open.is_set():
            self.refused += 1
            raise LedgerUnavailableError("closed")
        self.batches.append(len(rows))
        self.delivered += len(rows)
        self.rows.update({row.intent.key[0]: row for row in rows})

    def close(self) -> None:
        pass


def opened(directory: Path) -> FileJournal:
    journal = FileJournal(directory)
    list(journal.replay())
    journal.roll(b"null", now=START)
    return journal


def end(journal: FileJournal, writer: LedgerWriter | None, *names: str) -> None:
    """Attempts that begin and end, as the book does it."""
    for name in names:
        journal.intent(intent(name))
        position = journal.outcome(row(name))
        if writer is not None:
            writer.offer(row(name), position)


def until(true: Callable[[], bool]) -> None:
    """Returns when it is true; fails after 30 seconds."""
    limit = time.monotonic() + 30
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.001)


def test_rows_arrive_in_batches(tmp_path: Path) -> None:
    """Every row gets there, many at a time, and the journal learns how far."""
    sink = Sink()
    with opened(tmp_path) as journal:
        writer = LedgerWriter(sink, journal, batch=10, **QUICK)
        writer.start()
        until(lambda: not writer.progress().behind)
        end(journal, writer, *(str(number) for number in range(95)))
        until(lambda: len(sink.rows) == 95)
        assert writer.close()

        assert sink.delivered == 95
        assert max(sink.batches) == 10
        assert journal.shipped_to[1] > 0
        assert writer.progress().written == 95


def test_rows_of_the_last_process_are_shipped_first(tmp_path: Path) -> None:
    """What the journal has and the ledger may lack is read back at the start."""
    with opened(tmp_path) as journal:
        end(journal, None, "a", "b")
    sink = Sink()
    with FileJournal(tmp_path) as journal:
        list(journal.replay())
        journal.roll(b"null", now=START)
        writer = LedgerWriter(sink, journal, **QUICK)
        writer.start()
        until(lambda: len(sink.rows) == 2)
        assert writer.close()
        assert len(list(tmp_path.glob("*.journal"))) == 1


def test_outage_keeps_nothing_in_memory_past_its_bound(tmp_path: Path) -> None:
    """While the ledger is away rows wait in the journal; when it is back, all follow."""
    sink = Sink()
    names = [str(number) for number in range(2_000)]
    with opened(tmp_path) as journal:
        writer = LedgerWriter(sink, journal, batch=50, kept=100, **QUICK)
        writer.start()
        until(lambda: not writer.progress().behind)
        sink.open.clear()
        for number, name in enumerate(names):
            end(journal, writer, name)
            assert writer.progress().waiting <= 100
            if number % 500 == 499:
                journal.roll(b"null", now=START)
        until(lambda: sink.refused > 3)
        assert writer.progress().failing_since is not None
        assert writer.progress().failing_at is not None
        assert writer.progress().failing_words
        sink.open.set()
        until(lambda: len(sink.rows) == len(names))
        end(journal, writer, "after")
        until(lambda: "after" in sink.rows)
        until(lambda: not writer.progress().behind)
        assert writer.close()

        assert writer.progress().failing_since is None
        assert (writer.progress().failing_at, writer.progress().failing_words) == (None, "")
        assert len(list(tmp_path.glob("*.journal"))) == 1


def test_closing_during_an_outage_loses_nothing(tmp_path: Path) -> None:
    """A writer that must stop leaves its rows to the next start, and says that it did."""
    sink = Sink()
    with opened(tmp_path) as journal:
        writer = LedgerWriter(sink, journal, **QUICK)
        writer.start()
        until(lambda: not writer.progress().behind)
        sink.open.clear()
        end(journal, writer, "a", "b", "c")
        until(lambda: sink.refused > 0)
        assert not writer.close()

        sink.open.set()
        again = LedgerWriter(sink, journal, **QUICK)
        again.start()
        until(lambda: len(sink.rows) == 3)
        assert again.close()


def test_closing_writes_what_waits(tmp_path: Path) -> None:
    """Rows offered just before the end are in the ledger after it."""
    sink = Sink()
    with opened(tmp_path) as journal:
        writer = LedgerWriter(sink, journal, linger=60)
        writer.start()
        until(lambda: not writer.progress().behind)
        end(journal, writer, "a", "b")
        assert writer.close()

    assert set(sink.rows) == {"a", "b"}


CHILD = """
import itertools, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from accounting.samples import intent, row
from bailiwick_sidecar.accounting.journal import FileJournal
from bailiwick_sidecar.ledger.rows import Owner
from bailiwick_sidecar.ledger.store import SqliteLedger
from bailiwick_sidecar.ledger.writer import LedgerWriter

root = Path(sys.argv[1])
journal = FileJournal(root / "journal", segment_bytes=40_000)
list(journal.replay())
journal.roll(b"null", now=1)
ledger = SqliteLedger(root / "ledger.db", Owner("acme", "acme-prod", "EUR"))
writer = LedgerWriter(ledger, journal, batch=20, linger=0.002)
writer.start()
for number in itertools.count():
    name = f"{os.getpid()}-{number}"
    journal.intent(intent(name))
    writer.offer(row(name), journal.outcome(row(name)))
    os.write(1, f"{name}\\n".encode())
    if journal.due:
        journal.roll(b"null", now=1)
"""


@pytest.mark.parametrize("lines", [1, 700, 2_500])
def test_killed_writer_goes_on_where_it_was(tmp_path: Path, lines: int) -> None:
    """Killed between or within transactions, no acknowledged row is lost and none comes twice."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path), str(Path(__file__).parents[1])],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    with child, child.stdout:
        seen = [child.stdout.readline() for _ in range(lines)]
        child.send_signal(signal.SIGKILL)
        seen += child.stdout.readlines()
    expected = {line.strip() for line in seen if line.endswith("\n")}

    kept = Kept(tmp_path / "ledger.db")
    with FileJournal(tmp_path / "journal") as journal:
        list(journal.replay())
        journal.roll(b"null", now=START)
        writer = LedgerWriter(kept, journal, **QUICK)
        writer.start()
        until(lambda: not writer.progress().behind)
        assert writer.close()

    names = kept.names()
    assert expected <= set(names)
    assert len(names) == len(set(names))


class Kept(SqliteLedger):
    """The real ledger, with a look at what is in it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, Owner("acme", "acme-prod", "EUR"))

    def names(self) -> list[str]:
        with self._open().connect() as connection:
            found = connection.exec_driver_sql("SELECT stream_id FROM attempts").scalars().all()
        self.close()
        return list(found)
