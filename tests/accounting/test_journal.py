"""What the journal keeps, and what it does when it can't."""

import asyncio
import fcntl
import os
import resource
import stat
from pathlib import Path

import pytest
from accounting.samples import ALICE, START, intent, row, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bailiwick_sidecar.accounting.errors import JournalLockedError, JournalUnwritableError
from bailiwick_sidecar.accounting.journal import FileJournal, Fsync
from bailiwick_sidecar.accounting.model import Intent, Row, RowState, Usage
from bailiwick_sidecar.accounting.replay import Checkpoint, Cursor
from bailiwick_sidecar.quota.model import Caller

STATE = b'{"n":1}'


def started(directory: Path, **options: object) -> FileJournal:
    """A journal that takes records."""
    journal = FileJournal(directory, **options)  # type: ignore[arg-type] - tests name options that exist
    list(journal.replay())
    journal.roll(STATE, now=START)
    return journal


def replayed(directory: Path) -> list[Checkpoint | Intent | Row]:
    """What a next process finds."""
    with FileJournal(directory) as journal:
        return list(journal.replay())


def test_records_come_back_as_they_went_in(tmp_path: Path) -> None:
    """Intents and rows are replayed whole and in order, after the checkpoint."""
    first, second = intent("a"), intent("b", tags=(), rates=(2**70, 0, 0, 0, 0, 0, 1))
    ended = row("a", cost=2**66)
    void = Row(second, RowState.VOID, START, 0, Usage(), 0, 0, 0, "not_sent")
    with started(tmp_path) as journal:
        for record in (first, second):
            journal.intent(record)
        journal.outcome(ended)
        journal.outcome(void)

    assert replayed(tmp_path) == [Checkpoint(STATE, ()), first, second, ended, void]


names = st.text(max_size=12)
intents = st.builds(
    lambda caller, tags, stream, bound: intent(
        caller=caller, tags=tuple(tags.items()), stream=stream, cost_bound=bound
    ),
    st.builds(Caller, team=names, project=names, user=names, route=names, tier=names),
    st.dictionaries(names, names, max_size=3),
    st.booleans(),
    st.integers(0, 2**80),
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(intents, min_size=1, max_size=8))
def test_any_text_comes_back(
    tmp_path_factory: pytest.TempPathFactory, samples: list[Intent]
) -> None:
    """Whatever names and tags hold, line breaks too, one attempt stays one line and reads back."""
    directory = tmp_path_factory.mktemp("journal")
    written = [
        intent(
            str(number),
            caller=sample.caller,
            tags=sample.tags,
            stream=sample.stream,
            cost_bound=sample.cost_bound,
        )
        for number, sample in enumerate(samples)
    ]
    with started(directory) as journal:
        for record in written:
            journal.intent(record)

    assert replayed(directory)[1:] == written


def test_an_attempt_takes_less_than_300_bytes(tmp_path: Path) -> None:
    """Intent and outcome together stay small; names and keys that many share are written once."""
    said = {
        "provider_key": "secret/llm/acme/team-search/openai-eu#api_key@17",
        "provider_key_id": "key_9f3a5b1c2d4e6f70",
    }
    with started(tmp_path) as journal:
        journal.intent(intent("00000000-0000-4000-8000-000000000000", **said))
        before = journal.size()
        for number in range(100):
            name = f"8f0c3a2e-5d4b-4c1a-9e2f-{number:012d}"
            journal.intent(intent(name, **said))
            journal.outcome(row(name))

        assert (journal.size() - before) / 100 < 300


def test_files_are_private(tmp_path: Path) -> None:
    """Nobody but the owner can read a journal."""
    directory = tmp_path / "journal"
    with started(directory):
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}

    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert modes
    assert set(modes.values()) == {0o600}


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    """A second process is told who has the journal; the lock goes with its holder."""
    with (
        FileJournal(tmp_path),
        pytest.raises(JournalLockedError, match=f"process {os.getpid()}: stop it"),
    ):
        FileJournal(tmp_path)

    FileJournal(tmp_path).close()


def test_no_record_before_a_segment_is_started(tmp_path: Path) -> None:
    """A journal that could not start a segment takes nothing."""
    with FileJournal(tmp_path) as journal, pytest.raises(JournalUnwritableError):
        journal.intent(intent())


@pytest.mark.parametrize("kept", [1, 40, 10_000])
def test_torn_tail_is_quarantined(tmp_path: Path, kept: int) -> None:
    """A record whose writer died in its middle is counted, kept apart, and harms no other."""
    with started(tmp_path) as journal:
        journal.intent(intent("whole"))
        journal.intent(intent("torn"))
    (path,) = tmp_path.glob("*.journal")
    whole, _, torn = path.read_bytes().rpartition(b"\n")[0].rpartition(b"\n")
    path.write_bytes(whole + b"\n" + torn[:kept])

    with FileJournal(tmp_path) as journal:
        found = list(journal.replay())
        assert found == [Checkpoint(STATE, ()), intent("whole")]
        assert journal.garbage == 1
        assert (tmp_path / "quarantine.log").read_bytes() == torn[:kept] + b"\n"
        journal.roll(STATE, now=START)
        journal.intent(intent("next"))
    assert replayed(tmp_path) == [
        Checkpoint(STATE, (intent("whole"),)),
        intent("next"),
    ]


def test_garbage_between_records_is_passed_over(tmp_path: Path) -> None:
    """Foreign bytes, glued lines and rows without intent are counted and never raise."""
    with started(tmp_path) as journal:
        journal.intent(intent("a"))
    (path,) = tmp_path.glob("*.journal")
    with path.open("ab") as file:
        file.write(b"\xff\xfe\n[]\n{}\n\n")
        file.write(b'["i","a"["i","b",1]\n')
        file.write(b'["o","nobody",1,"settled","usage",1,200,5,1,1,[1,2]]\n')
        file.write(b'["i","x",1,77,"alice",1,1,true,1,1,1]\n')
        file.write(b'["o","a",1,"nonsense","usage",1,200,5,1,1,[1,2]]\n')
    with FileJournal(tmp_path) as journal:
        assert list(journal.replay()) == [Checkpoint(STATE, ()), intent("a")]
        assert journal.garbage == 8


class FullDisk:
    """A disk with room for so many bytes; it takes what fits of the first write past it."""

    def __init__(self) -> None:
        self.room: int | None = None

    def __call__(self, fd: int, data: bytes, /) -> int:
        if self.room is None:
            return os.write(fd, data)
        if self.room == 0:
            raise OSError(28, "No space left on device")
        taken = os.write(fd, data[: self.room])
        self.room -= taken
        return taken


@pytest.mark.parametrize("room", range(0, 420, 21))
def test_full_disk_refuses_and_recovers(tmp_path: Path, room: int) -> None:
    """However much of a record fits, it counts for nothing, and the next one is not glued to it."""
    disk = FullDisk()

    def refused(record: Intent) -> str:
        try:
            journal.intent(record)
        except JournalUnwritableError as error:
            return str(error)
        return ""

    other = intent("lost", backend="another context")
    with started(tmp_path, write=disk) as journal:
        journal.intent(intent("before"))
        disk.room = room
        assert list(map(refused, (intent(str(n), backend=f"{n}") for n in range(9))))[-1]
        with pytest.raises(JournalUnwritableError):
            journal.intent(other)
        disk.room = 3
        with pytest.raises(JournalUnwritableError):
            journal.intent(other)
        disk.room = None
        journal.intent(intent("after", backend="another context"))
        journal.outcome(row("before"))

    found = replayed(tmp_path)
    written = [record.key[0] for record in found if isinstance(record, Intent)]
    assert "lost" not in written
    assert [written[0], written[-1]] == ["before", "after"]
    assert found[-2] == intent("after", backend="another context")
    assert found[-1] == row("before")


def test_real_file_size_limit_is_survived(tmp_path: Path) -> None:
    """The kernel's own short write and refusal are repaired like any other."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with started(tmp_path) as journal:
        journal.intent(intent("before"))
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (journal.end[1] + 10, hard))
            for _ in range(2):
                with pytest.raises(JournalUnwritableError):
                    journal.intent(intent("lost"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        journal.intent(intent("after"))

    kept = [record.key[0] for record in replayed(tmp_path) if isinstance(record, Intent)]
    assert kept == ["before", "after"]


def test_segment_carries_what_is_open(tmp_path: Path) -> None:
    """A new segment begins with the state and the open attempts, and is all that is replayed."""
    with started(tmp_path) as journal:
        for name in ("a", "b", "c"):
            journal.intent(intent(name))
        journal.outcome(row("a"))
        journal.roll(b'{"n":2}', now=START)
        journal.outcome(row("b"))
        journal.intent(intent("d"))

    assert replayed(tmp_path) == [
        Checkpoint(b'{"n":2}', (intent("b"), intent("c"))),
        row("b"),
        intent("d"),
    ]


def test_segment_whose_beginning_is_lost_is_read_from_the_one_before(tmp_path: Path) -> None:
    """A damaged checkpoint costs nothing where the segment before it is still there."""
    with started(tmp_path) as journal:
        journal.intent(intent("a"))
        journal.roll(b'{"n":2}', now=START)
        journal.intent(intent("b"))
    newest = max(tmp_path.glob("*.journal"))
    newest.write_bytes(b"#" + newest.read_bytes())

    assert replayed(tmp_path) == [Checkpoint(STATE, ()), intent("a"), intent("b")]


def test_failed_roll_keeps_the_old_segment(tmp_path: Path) -> None:
    """Where no new segment fits, the old one goes on and no half of one is left."""
    disk = FullDisk()
    with started(tmp_path, write=disk) as journal:
        journal.intent(intent("a"))
        disk.room = 20
        with pytest.raises(JournalUnwritableError, match="can't start a segment"):
            journal.roll(b'{"n":2}', now=START)
        disk.room = None
        journal.intent(intent("b"))

    assert [path.suffix for path in tmp_path.iterdir() if path.name != "lock"] == [".journal"]
    assert replayed(tmp_path) == [Checkpoint(STATE, ()), intent("a"), intent("b")]


def test_segments_go_when_their_rows_are_in_the_ledger(tmp_path: Path) -> None:
    """A segment stays until all its rows are shipped, then it is deleted; marks are kept."""
    with started(tmp_path) as journal:
        journal.intent(intent("a"))
        shipped_later = journal.outcome(row("a"))
        journal.roll(STATE, now=START)
        journal.intent(intent("b"))
        end = journal.outcome(row("b"))
        assert len(list(tmp_path.glob("*.journal"))) == 2
        journal.shipped(shipped_later)
        assert len(list(tmp_path.glob("*.journal"))) == 2
        journal.shipped(end)
        assert len(list(tmp_path.glob("*.journal"))) == 1
        journal.tailed((7, 99))

    with FileJournal(tmp_path) as journal:
        list(journal.replay())
        assert (journal.shipped_to, journal.tailed_to) == (end, (7, 99))


def test_cursor_follows_a_journal_while_it_is_written(tmp_path: Path) -> None:
    """A reader gets each row once and in order, over segments, and knows when it has all."""
    with started(tmp_path) as journal:
        cursor = Cursor(tmp_path, journal.shipped_to)
        read: list[str] = []
        for number in range(50):
            journal.intent(intent(str(number)))
            journal.outcome(row(str(number)))
            if number % 7 == 0:
                read += [found.row.intent.key[0] for found in cursor.read(3)]
            if number % 11 == 0:
                journal.roll(STATE, now=START)
        while found := cursor.read(3):
            read += [recorded.row.intent.key[0] for recorded in found]

        assert read == [str(number) for number in range(50)]
        assert cursor.place == journal.end


def test_cursor_begins_after_a_place(tmp_path: Path) -> None:
    """What was shipped is not read again."""
    with started(tmp_path) as journal:
        for name in ("a", "b"):
            journal.intent(intent(name))
        place = journal.outcome(row("a"))
        journal.outcome(row("b"))

        assert [found.row for found in Cursor(tmp_path, place).read(9)] == [row("b")]


def test_group_fsync_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `group` an intent is durable after a sync that began after it; many share one."""
    synced: list[int] = []
    real = os.fdatasync

    def fdatasync(fd: int) -> None:
        real(fd)
        synced.append(fd)

    monkeypatch.setattr(os, "fdatasync", fdatasync)

    async def main() -> None:
        with started(tmp_path, fsync=Fsync.GROUP) as journal:
            synced.clear()
            for number in range(100):
                journal.intent(intent(str(number)))
            await asyncio.gather(*(journal.durable() for _ in range(100)))
            assert len(synced) == 1
            journal.intent(intent("next"))
            await journal.durable()
            assert len(synced) == 2
            await journal.durable()
            assert len(synced) == 2

    run(main())


def test_disk_that_fails_to_sync_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An intent that did not reach the disk is no intent where the policy asks for that."""

    def fdatasync(fd: int) -> None:
        raise OSError(5, "Input/output error")

    async def main() -> None:
        with started(tmp_path, fsync=Fsync.GROUP) as journal:
            monkeypatch.setattr(os, "fdatasync", fdatasync)
            journal.intent(intent())
            with pytest.raises(JournalUnwritableError, match="did not reach the disk"):
                await journal.durable()

    run(main())


def test_lock_is_the_kernels(tmp_path: Path) -> None:
    """The lock is flock's, so it ends with the process however that ends."""
    with FileJournal(tmp_path), (tmp_path / "lock").open("rb") as file:
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert ALICE.team == "search"
