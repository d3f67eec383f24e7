"""Envoy's log as it is appended to, rotated, torn, truncated and lost."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from accounting.samples import run, until

from bailiwick_sidecar.accounting.errors import LogUnavailableError
from bailiwick_sidecar.accounting.lines import TailMark
from bailiwick_sidecar.accounting.logfile import LogFile
from bailiwick_sidecar.accounting.records import Record
from bailiwick_sidecar.accounting.rotation import EnvoyAdmin
from bailiwick_sidecar.accounting.tail import Tail


class Reader:
    """A book that keeps the names of the records, always expecting more."""

    def __init__(self) -> None:
        self.names: list[str | None] = []
        self.in_flight = 1
        self.held: int | None = None
        self.places: list[int] = []

    async def on_record(self, record: Record, mark: int) -> None:
        self.names.append(record.id)
        self.places.append(mark)

    def oldest_held(self) -> int | None:
        return self.held


class Envoy:
    """Writes like Envoy: it appends to the file it has open, and reopens when asked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path.open("ab", buffering=0)
        self.away = False
        self.asked = 0
        self._reopen = False

    def write(self, *names: str, newline: bool = True) -> None:
        if self._reopen:
            self.file.close()
            self.file = self.path.open("ab", buffering=0)
            self._reopen = False
        data = b"\n".join(line(name) for name in names)
        self.file.write(data + b"\n" if newline else data)

    async def reopen(self) -> None:
        self.asked += 1
        if self.away:
            raise LogUnavailableError("away")
        self._reopen = True


def line(name: str) -> bytes:
    return json.dumps({"k": "a", "id": name, "n": 1, "s": 200}).encode()


class Following:
    """A tail that runs, and what is around it."""

    def __init__(self, directory: Path, after: TailMark = (0, 0), **options: int) -> None:
        self.path = directory / "usage.log"
        self.envoy = Envoy(self.path)
        self.reader = Reader()
        self.marks: list[TailMark] = []
        self.tail = Tail(
            LogFile(self.path, after=after),
            self.reader,
            mark=self.marks.append,
            reopen=self.envoy.reopen,
            **options,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Following"]:
        task = asyncio.ensure_future(self.tail.run())
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self.close()

    def close(self) -> None:
        self.tail.close()
        self.envoy.file.close()


def test_records_arrive_in_order(tmp_path: Path) -> None:
    """Every line that was appended is handed over once."""

    async def main() -> None:
        async with Following(tmp_path).running() as log:
            names = [f"r{number}" for number in range(500)]
            for name in names:
                log.envoy.write(name)
                if name.endswith("7"):
                    await asyncio.sleep(0)
            await until(lambda: len(log.reader.names) == 500)
            assert log.reader.names == names

    run(main())


def test_torn_line_waits_for_its_end(tmp_path: Path) -> None:
    """A record in the middle of being written is neither lost nor read in halves."""

    async def main() -> None:
        log = Following(tmp_path)
        for byte in line("whole") + b"\n":
            log.envoy.file.write(bytes([byte]))
            await log.tail.drain()
        assert (log.reader.names, log.tail.malformed) == (["whole"], 0)
        log.close()

    run(main())


def test_malformed_lines_are_counted(tmp_path: Path) -> None:
    """Garbage is counted; the record glued to a torn one is saved."""

    async def main() -> None:
        log = Following(tmp_path)
        log.envoy.file.write(b"garbage\n" + line("torn")[:9] + line("saved") + b"\n")
        log.envoy.file.write(b"x" * 100_000 + b"\n")
        log.envoy.write("next")
        await log.tail.drain()
        assert (log.reader.names, log.tail.malformed) == (["saved", "next"], 3)
        log.close()

    run(main())


def test_endless_line_takes_no_memory(tmp_path: Path) -> None:
    """A line without end is dropped as it comes, and the next one is read."""

    async def main() -> None:
        log = Following(tmp_path)
        for _ in range(8):
            log.envoy.file.write(b"x" * 1_000_000)
            await log.tail.drain()
            assert len(log.tail._file._rest) < 1_000_000
        log.envoy.file.write(b"\n")
        log.envoy.write("next")
        await log.tail.drain()
        assert log.reader.names == ["next"]
        log.close()

    run(main())


def test_caught_up_has_read_what_was_flushed(tmp_path: Path) -> None:
    """After it, what Envoy had written within its flush interval is accounted for."""

    async def main() -> None:
        log = Following(tmp_path)
        asyncio.get_running_loop().call_later(0.004, log.envoy.write, "late")
        assert await log.tail.caught_up()
        assert log.reader.names == ["late"]
        log.close()

    run(main())


def test_caught_up_gives_up_without_losing_records(tmp_path: Path) -> None:
    """A drain that takes too long is left to finish: no record of its batch is dropped."""

    async def main() -> None:
        log = Following(tmp_path)
        go = asyncio.Event()
        take = log.reader.on_record

        async def slow(record: Record, mark: int) -> None:
            await go.wait()
            await take(record, mark)

        log.reader.on_record = slow  # type: ignore[method-assign] - a store that is slow
        log.envoy.write("a", "b", "c")
        assert not await log.tail.caught_up(within=0.03)
        go.set()
        await until(lambda: len(log.reader.names) == 3)
        assert log.reader.names == ["a", "b", "c"]
        log.close()

    run(main())


def test_every_caller_waits_for_what_another_reads(tmp_path: Path) -> None:
    """Whoever is told that all is accounted for can rely on it, though another drains as well."""

    async def main() -> None:
        log = Following(tmp_path)
        take = log.reader.on_record

        async def slow(record: Record, mark: int) -> None:
            await asyncio.sleep(0)
            await take(record, mark)

        log.reader.on_record = slow  # type: ignore[method-assign] - a store that is slow
        expected: list[str] = []

        async def drained(name: str) -> None:
            log.envoy.write(name)
            expected.append(name)
            wanted = list(expected)
            await log.tail.drain()
            assert log.reader.names[: len(wanted)] == wanted

        await asyncio.gather(*(drained(f"r{number}") for number in range(20)), log.tail.keep_up())
        assert log.reader.names == expected
        log.close()

    run(main())


def test_bad_record_stops_nothing(tmp_path: Path) -> None:
    """A record that the book fails on is passed over."""

    async def main() -> None:
        log = Following(tmp_path)
        take = log.reader.on_record

        async def picky(record: Record, mark: int) -> None:
            if record.id == "b":
                raise KeyError(record.id)
            await take(record, mark)

        log.reader.on_record = picky  # type: ignore[method-assign] - a book with a fault
        log.envoy.write("a", "b", "c")
        await log.tail.drain()
        assert log.reader.names == ["a", "c"]
        log.close()

    run(main())


def test_rotation_loses_nothing(tmp_path: Path) -> None:
    """Over many rotations every record is handed over once and in order."""

    async def main() -> None:
        log = Following(tmp_path, rotate_bytes=400)
        names = [f"record-{number}" for number in range(300)]
        for number, name in enumerate(names):
            log.envoy.write(name)
            if number % 3 == 0:
                await log.tail.drain()
            if number % 5 == 0:
                log.tail._asked = -9.0  # as if a second had passed
                await log.tail.keep_up()
        for _ in range(2):
            await log.tail.keep_up()
            await log.tail.drain()
        assert log.reader.names == names
        assert log.reader.places == sorted(log.reader.places)
        assert log.envoy.asked > 10
        assert log.path.with_name("usage.log.1").stat().st_size > 0
        log.close()

    run(main())


def test_rotation_waits_for_envoy(tmp_path: Path) -> None:
    """While Envoy does not reopen its log, the reader stays with the file that it writes to."""

    async def main() -> None:
        log = Following(tmp_path, rotate_bytes=10)
        log.envoy.away = True
        log.envoy.write("a")
        await log.tail.drain()
        await log.tail.keep_up()
        log.envoy.write("b")
        await log.tail.drain()
        await log.tail.keep_up()
        log.envoy.away = False
        log.tail._asked = -9.0
        await log.tail.keep_up()
        log.envoy.write("c")
        await log.tail.keep_up()
        await log.tail.drain()
        assert log.reader.names == ["a", "b", "c"]
        log.close()

    run(main())


def test_truncated_log_is_read_from_its_beginning(tmp_path: Path) -> None:
    """Somebody's copytruncate costs at most what was not read yet."""

    async def main() -> None:
        log = Following(tmp_path)
        log.envoy.write("a", "b")
        await log.tail.drain()
        log.path.write_bytes(b"")
        log.envoy.write("c")
        await log.tail.keep_up()
        await log.tail.drain()
        assert log.reader.names == ["a", "b", "c"]
        assert log.reader.places == sorted(log.reader.places)
        log.close()

    run(main())


def test_deleted_log_is_asked_for_anew(tmp_path: Path) -> None:
    """A log that was deleted is read to its end, and Envoy makes a new one."""

    async def main() -> None:
        log = Following(tmp_path)
        log.envoy.write("a")
        await log.tail.drain()
        log.path.unlink()
        log.envoy.write("b")
        await log.tail.keep_up()
        await log.tail.drain()
        log.envoy.write("c")
        await log.tail.keep_up()
        assert log.reader.names == ["a", "b", "c"]
        log.close()

    run(main())


def test_log_may_come_later(tmp_path: Path) -> None:
    """The agent starts before Envoy: no log is no error."""

    async def main() -> None:
        reader = Reader()
        path = tmp_path / "usage.log"
        tail = Tail(LogFile(path), reader, mark=lambda _: None, reopen=EnvoyAdmin(tmp_path / "no"))
        await tail.drain()
        await tail.keep_up()
        path.write_bytes(line("first") + b"\n")
        await tail.drain()
        assert reader.names == ["first"]
        tail.close()

    run(main())


@pytest.mark.parametrize("rotate_bytes", [10, 10**9])
def test_restart_neither_loses_nor_repeats(tmp_path: Path, rotate_bytes: int) -> None:
    """The next tail goes on where the last one was, in the rotated file too."""

    async def main() -> None:
        log = Following(tmp_path, rotate_bytes=rotate_bytes)
        log.envoy.write("a", "b")
        await log.tail.drain()
        await log.tail.keep_up()
        mark = log.marks[-1]
        log.envoy.write("c")
        log.envoy.file.close()
        log.tail.close()

        again = Following(tmp_path, after=mark)
        again.envoy.write("d")
        for _ in range(2):
            await again.tail.drain()
            await again.tail.keep_up()
        assert again.reader.names == ["c", "d"]
        again.close()

    run(main())


def test_mark_goes_back_to_what_is_held(tmp_path: Path) -> None:
    """A record of which no row was made yet is read again after a restart."""

    async def main() -> None:
        log = Following(tmp_path)
        log.envoy.write("a", "b", "c")
        await log.tail.drain()
        log.reader.held = log.reader.places[1]
        await log.tail.keep_up()
        log.close()

        again = Following(tmp_path, after=log.marks[-1])
        await again.tail.drain()
        assert again.reader.names == ["b", "c"]
        again.close()

    run(main())


def test_idle_tail_wakes_for_an_attempt(tmp_path: Path) -> None:
    """With nothing open it hardly reads; the first attempt wakes it."""

    async def main() -> None:
        log = Following(tmp_path)
        log.reader.in_flight = 0
        async with log.running():
            await asyncio.sleep(0)
            await until(lambda: not log.tail._wanted.is_set())
            log.reader.in_flight = 1
            log.tail.wake()
            log.envoy.write("a")
            await until(lambda: log.reader.names == ["a"])

    run(main())


def test_admin_says_why_it_did_not_reopen(tmp_path: Path) -> None:
    """An admin interface that is away, or says no, is named with what to do."""
    path = tmp_path / "admin.sock"
    answers = [b"HTTP/1.1 403 Forbidden\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answers.pop(0))
        writer.close()

    async def main() -> None:
        with pytest.raises(LogUnavailableError, match="does not answer"):
            await EnvoyAdmin(path)()
        server = await asyncio.start_unix_server(answer, str(path))
        async with server:
            with pytest.raises(LogUnavailableError, match="refused /reopen_logs"):
                await EnvoyAdmin(path)()
            await EnvoyAdmin(path)()

    run(main())
    assert all(request.startswith(b"POST /reopen_logs HTTP/1.1\r\n") for request in asked)
