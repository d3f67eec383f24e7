"""Reading a journal: what its newest checkpoint and the records since then say."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bailiwick_sidecar.accounting import lines
from bailiwick_sidecar.accounting.lines import HeadLine, IntentLine, Line, Position, TailMark
from bailiwick_sidecar.accounting.model import Intent, Row
from bailiwick_sidecar.accounting.segments import segment_numbers, segment_path, whole_lines

NOWHERE: Final = (0, 0)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A row and the place after it."""

    row: Row
    position: Position


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a replay begins: the counters' state as JSON, and the attempts open then."""

    state: bytes
    open: tuple[Intent, ...]


class Replay:
    """One pass over a journal that nobody writes to; its attributes are true once it has ended."""

    def __init__(self, directory: Path, garbage: Callable[[bytes], None]) -> None:
        self.memory = lines.Memory()
        self.shipped: Position = NOWHERE
        self.tailed: TailMark = NOWHERE
        self._directory = directory
        self._garbage = garbage

    def __iter__(self) -> Iterator[Checkpoint | Intent | Row]:
        """The newest checkpoint, if there is one, then all intents and rows after it, in order.

        A segment whose beginning can't be read is read on from the one before.
        """
        numbers = segment_numbers(self._directory)
        heads = (n for n in reversed(numbers) if self._head(n) is not None)
        start = next(heads, numbers[0] if numbers else 0)
        for number in numbers[numbers.index(start) :] if numbers else ():
            yield from self._segment(number)

    def _head(self, number: int) -> HeadLine | None:
        _, raw = next(whole_lines(segment_path(self._directory, number)), (0, b""))
        line = lines.decode(raw)
        return line if isinstance(line, HeadLine) and line.version == lines.VERSION else None

    def _segment(self, number: int) -> Iterator[Checkpoint | Intent | Row]:
        path = segment_path(self._directory, number)
        head: HeadLine | None = None
        carried: list[Intent] = []
        left, end = 0, 0
        for end, raw in whole_lines(path):  # noqa: B007 - the last one's end is used below
            line = lines.decode(raw)
            if isinstance(line, HeadLine):
                head, left = line, line.open
                self.shipped, self.tailed = line.shipped, line.tailed
                self.memory = lines.Memory()
                continue
            if head is not None and not left:
                yield Checkpoint(state=bytes(head.state), open=tuple(carried))
                head = None
            left -= not isinstance(line, lines.ContextLine)
            said = self._said(line, raw)
            if isinstance(said, Intent) and head is not None:
                carried.append(said)
            elif said is not None:
                yield said
        if head is not None:
            yield Checkpoint(state=bytes(head.state), open=tuple(carried))
        if rest := _after(path, end):
            self._garbage(rest)

    def _said(self, line: Line | None, raw: bytes) -> Intent | Row | None:
        match line:
            case None:
                self._garbage(raw)
                return None
            case lines.ShippedLine():
                self.shipped = max(self.shipped, line.position)
            case lines.TailedLine():
                self.tailed = line.mark
            case IntentLine() if (line.stream_id, line.attempt) in self.memory.open:
                return None
            case _:
                pass
        try:
            return self.memory.take(line)
        except ValueError:
            self._garbage(raw)
            return None


class Cursor:
    """A reader of rows that follows a journal while it is written."""

    def __init__(self, directory: Path, after: Position) -> None:
        self._directory = directory
        self._after = after
        self._segment, self._offset = after[0], 0
        self._memory = lines.Memory()

    @property
    def place(self) -> Position:
        """How far it has read: equal to the journal's end where nothing is left."""
        return (self._segment, self._offset)

    def read(self, limit: int) -> list[Recorded]:
        """The next rows, at most `limit`; fewer only at the end. Garbage is passed over.

        Raises:
            OSError: a segment can't be read.
        """
        found: list[Recorded] = []
        while True:
            # Asked first: once a newer segment exists, the older one gets no more records.
            newer = [n for n in segment_numbers(self._directory) if n > self._segment]
            self._read_segment(found, limit)
            if len(found) >= limit or not newer:
                return found
            self._segment, self._offset, self._memory = newer[0], 0, lines.Memory()

    def _read_segment(self, found: list[Recorded], limit: int) -> None:
        path = segment_path(self._directory, self._segment)
        if not path.exists():
            return
        for end, raw in whole_lines(path, self._offset):
            self._offset = end
            line = lines.decode(raw)
            try:
                said = self._memory.take(line) if line is not None else None
            except ValueError:
                continue
            if isinstance(said, Row) and self.place > self._after:
                found.append(Recorded(row=said, position=self.place))
                if len(found) >= limit:
                    return


def _after(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read()
