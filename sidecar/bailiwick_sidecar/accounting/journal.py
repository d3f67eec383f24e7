"""The journal: every intent before its attempt leaves, every outcome before it counts."""

import asyncio
import fcntl
import logging
import os
import threading
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Final, Protocol, Self

import msgspec

from bailiwick_sidecar.accounting import lines
from bailiwick_sidecar.accounting.errors import (
    JournalLockedError,
    JournalUnreadableError,
    JournalUnwritableError,
)
from bailiwick_sidecar.accounting.lines import HeadLine, Position, TailMark
from bailiwick_sidecar.accounting.model import Intent, Row
from bailiwick_sidecar.accounting.replay import NOWHERE, Checkpoint, Replay
from bailiwick_sidecar.accounting.segments import Appender, Writer, segment_numbers, segment_path
from bailiwick_sidecar.quota.model import AttemptKey

log = logging.getLogger(__name__)

SEGMENT_BYTES: Final = 16 << 20
"""About 60,000 attempts: what a restart replays in less than a second."""
QUARANTINE_BYTES: Final = 1 << 20
MAX_CONTEXTS: Final = 10_000
"""Contexts remembered per segment; past it they are numbered afresh, so that a caller who makes
up projects costs disk and not memory."""


class Fsync(Enum):
    """What a record survives once it is acknowledged."""

    NONE = "none"
    """kill -9 of every process: the kernel has it. Lost with the node (power, kernel panic)."""
    GROUP = "group"
    """The node's sudden end as well, as far as its disk keeps what it acknowledged. Each intent
    waits for one fdatasync, which all intents that wait at that moment share."""


class Journal(Protocol):
    """What the book of attempts needs of a journal."""

    def intent(self, intent: Intent) -> None:
        """Record that the attempt may leave; raises JournalUnwritableError where it may not."""
        ...

    async def durable(self) -> None:
        """Return when all that was recorded is as durable as the policy says."""
        ...

    def outcome(self, row: Row) -> Position:
        """Record how an attempt ended; returns the place after it."""
        ...


class FileJournal:
    """A journal in a directory of its own, written by one process at a time.

    `replay` says what is in it and `roll` starts this process's first segment: only then does it
    take records. `rows` of a replay and `shipped` may be used from another thread.
    """

    def __init__(
        self,
        directory: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        fsync: Fsync = Fsync.NONE,
        write: Writer = os.write,
    ) -> None:
        """Opens and locks the directory, made with mode 0700.

        Raises:
            JournalLockedError: another process has it.
            JournalUnwritableError: it can't be made or opened.
        """
        self.directory = directory
        self._segment_bytes = segment_bytes
        self._fsync = fsync
        self._write = write
        self._lock = threading.Lock()
        self.garbage = 0
        """Lines found to mean nothing: torn by a full disk or a dying process, or foreign."""
        self._end: Appender | None = None
        self._number = 0
        self._began = 0
        self._contexts: dict[tuple[object, ...], int] = {}
        self._open: dict[AttemptKey, Intent] = {}
        self._shipped: Position = NOWHERE
        self._tailed: TailMark = NOWHERE
        self._written = 0
        self._synced = 0
        self._syncing: asyncio.Task[None] | None = None
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._holder = _hold(directory)
            for left in directory.glob("*.new"):
                left.unlink()
        except OSError as error:
            raise JournalUnwritableError(
                f"journal {directory} can't be opened ({error.strerror}): make the directory "
                "writable for this user"
            ) from error

    def replay(self) -> Iterator[Checkpoint | Intent | Row]:
        """What the journal says, from its newest checkpoint on.

        Read to its end it also tells this journal what is open, which `roll` carries over. Lines
        that mean nothing are counted in `garbage` and kept in `quarantine.log`.

        Raises:
            JournalUnreadableError: the disk does not give it back.
        """
        replay = Replay(self.directory, self._quarantine)
        try:
            yield from replay
        except OSError as error:
            raise JournalUnreadableError(
                f"journal {self.directory} can't be read ({error.strerror}): counters can't be "
                "rebuilt; repair it, or start with another data directory and lose them"
            ) from error
        self._open = dict(replay.memory.open)
        self._shipped = replay.shipped
        self._tailed = replay.tailed

    def roll(self, state: bytes, *, now: int) -> None:
        """Start a new segment, and delete those that nobody needs any more. `now` in ms.

        It begins with the counters' state (JSON, one line), which must hold exactly the effect
        of all records so far, the marks, and the attempts that are open.

        Raises:
            JournalUnwritableError: the old segment goes on, if there is one.
        """
        with self._lock:
            numbers = segment_numbers(self.directory)
            number = max(numbers, default=self._number) + 1
            contexts: dict[tuple[object, ...], int] = {}
            shipped = self._shipped if numbers else (number, 0)
            head = HeadLine(
                version=lines.VERSION,
                created_at=now,
                shipped=shipped,
                tailed=self._tailed,
                open=len(self._open),
                state=msgspec.Raw(state),
            )
            parts = [lines.encode(head)]
            parts += [_record(intent, contexts)[0] for intent in self._open.values()]
            path = segment_path(self.directory, number)
            fresh = path.with_suffix(".new")
            try:
                _write_whole(fresh, b"".join(parts), self._write, self._fsync)
                fresh.rename(path)
                end = Appender(path, self._write)
            except OSError as error:
                fresh.unlink(missing_ok=True)
                raise JournalUnwritableError(
                    f"journal {self.directory} can't start a segment ({error.strerror}): free "
                    "space there or make it writable"
                ) from error
            if self._end is not None:
                self._end.close()
            self._end, self._number, self._contexts = end, number, contexts
            # What was carried over does not count, or many open attempts would fill it at once.
            self._began = end.size
            self._shipped = shipped
            self._written += 1
        self.prune()

    def intent(self, intent: Intent) -> None:
        """Record that the attempt may leave.

        Raises:
            JournalUnwritableError: it is not recorded, so it must not leave.
        """
        with self._lock:
            record, context, number = _record(intent, self._contexts)
            try:
                self._append(record)
            except JournalUnwritableError:
                if self._contexts.get(context) == number:
                    del self._contexts[context]
                raise
            self._open[intent.key] = intent

    def outcome(self, row: Row) -> Position:
        """Record how an attempt ended; returns the place after it.

        Raises:
            JournalUnwritableError: it is not recorded; try again.
        """
        with self._lock:
            self._append(lines.outcome_line(row))
            self._open.pop(row.intent.key, None)
            return self._place()

    def shipped(self, position: Position) -> None:
        """Note that all outcomes before this place are in the ledger. May come twice.

        A mark that can't be written is dropped: without it rows are shipped again, which changes
        nothing.
        """
        with self._lock:
            if position <= self._shipped:
                return
            older = position[0] > self._shipped[0]
            self._shipped = position
            self._mark(lines.ShippedLine(position=position))
        if older:
            self.prune()

    def tailed(self, mark: TailMark) -> None:
        """Note how far Envoy's log is accounted for. Dropped where it can't be written."""
        with self._lock:
            if mark != self._tailed:
                self._tailed = mark
                self._mark(lines.TailedLine(mark=mark))

    async def durable(self) -> None:
        """Return when all that was recorded so far survives what the policy names.

        Raises:
            JournalUnwritableError: the disk did not take it.
        """
        if self._fsync is Fsync.NONE:
            return
        wanted = self._written
        while self._synced < wanted:
            if self._syncing is None or self._syncing.done():
                self._syncing = asyncio.ensure_future(self._sync())
            await asyncio.shield(self._syncing)

    @property
    def end(self) -> Position:
        """The place after the last record."""
        with self._lock:
            return self._place()

    def _place(self) -> Position:
        return (self._number, self._end.size if self._end is not None else 0)

    @property
    def shipped_to(self) -> Position:
        """All outcomes before this place are in the ledger."""
        return self._shipped

    @property
    def tailed_to(self) -> TailMark:
        """How far Envoy's log was accounted for."""
        return self._tailed

    @property
    def due(self) -> bool:
        """True where the segment is full and `roll` should follow."""
        return self._end is None or self._end.size - self._began >= self._segment_bytes

    def size(self) -> int:
        """Bytes that the segments take on disk."""
        sizes = (segment_path(self.directory, n) for n in segment_numbers(self.directory))
        return sum(path.stat().st_size for path in sizes if path.exists())

    def unshipped(self) -> int:
        """Bytes after the place up to which all outcomes are in the ledger."""
        number, offset = self._shipped
        after = [n for n in segment_numbers(self.directory) if n >= number]
        paths = (segment_path(self.directory, n) for n in after)
        size = sum(path.stat().st_size for path in paths if path.exists())
        return max(0, size - (offset if number in after else 0))

    def prune(self) -> None:
        """Delete the segments of which every row is in the ledger, but never the newest."""
        keep = min(self._shipped[0], self._number)
        for number in segment_numbers(self.directory):
            if number >= keep:
                break
            try:
                segment_path(self.directory, number).unlink(missing_ok=True)
            except OSError as error:
                log.warning("event=journal_prune_failed segment=%d error=%s", number, error)
                break

    def close(self) -> None:
        """Gives the files and the lock back; what is recorded stays."""
        with self._lock:
            if self._end is not None:
                self._end.close()
                self._end = None
            os.close(self._holder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _quarantine(self, raw: bytes) -> None:
        self.garbage += 1
        path = self.directory / "quarantine.log"
        log.error("event=journal_garbage bytes=%d kept_in=%s", len(raw), path)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                if os.fstat(fd).st_size < QUARANTINE_BYTES:
                    os.write(fd, raw[:QUARANTINE_BYTES] + b"\n")
            finally:
                os.close(fd)
        except OSError as error:
            log.warning("event=journal_quarantine_failed error=%s", error)

    def _append(self, record: bytes) -> None:
        if self._end is None:
            raise JournalUnwritableError(
                f"journal {self.directory} has no segment to write to: calls are refused until "
                "one can be started; free space there or make it writable"
            )
        self._end.append(record)
        self._written += 1

    def _mark(self, line: lines.ShippedLine | lines.TailedLine) -> None:
        try:
            self._append(lines.encode(line))
        except JournalUnwritableError as error:
            log.warning("event=journal_mark_dropped error=%r", str(error))

    async def _sync(self) -> None:
        with self._lock:
            if self._end is None:
                raise JournalUnwritableError(f"journal {self.directory} is closed")
            wanted, fd = self._written, os.dup(self._end.fd)
        try:
            await asyncio.to_thread(os.fdatasync, fd)
        except OSError as error:
            raise JournalUnwritableError(
                f"journal {self.directory} did not reach the disk ({error.strerror}): look at the "
                "node's disk"
            ) from error
        finally:
            os.close(fd)
        self._synced = max(self._synced, wanted)


def _record(
    intent: Intent, contexts: dict[tuple[object, ...], int]
) -> tuple[bytes, tuple[object, ...], int]:
    """The intent's lines; its context's line comes first where the segment lacks it."""
    context = lines.context_of(intent)
    number = contexts.get(context)
    if number is not None:
        return lines.intent_line(number, intent), context, -1
    if len(contexts) >= MAX_CONTEXTS:
        contexts.clear()
    number = contexts[context] = len(contexts)
    record = lines.context_line(number, intent) + lines.intent_line(number, intent)
    return record, context, number


def _write_whole(path: Path, data: bytes, write: Writer, fsync: Fsync) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        while data:
            data = data[write(fd, data) :]
        if fsync is Fsync.GROUP:
            os.fdatasync(fd)
    finally:
        os.close(fd)


def _hold(directory: Path) -> int:
    """Locks the directory for this process until it ends."""
    fd = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(fd, 20).decode(errors="replace") or "unknown"
        os.close(fd)
        raise JournalLockedError(
            f"journal {directory} is in use by process {holder}: stop it, or choose another "
            "data directory"
        ) from error
    os.ftruncate(fd, 0)
    os.pwrite(fd, str(os.getpid()).encode(), 0)
    return fd
