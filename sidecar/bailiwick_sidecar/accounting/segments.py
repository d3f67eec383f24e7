"""Files of a journal: numbered segments, appended to in one syscall a record, read line by line."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

from bailiwick_sidecar.accounting.errors import JournalUnwritableError

SUFFIX: Final = ".journal"
CHUNK: Final = 1 << 18
SPOILED: Final = b"!\n"
"""Closes a record that a full disk cut short, so that it can never be read as whole."""


class Writer(Protocol):
    """Where the bytes of records go: `os.write`, or a disk that a test has filled."""

    def __call__(self, fd: int, data: bytes, /) -> int:
        """The number of bytes that the file took."""
        ...


def segment_path(directory: Path, number: int) -> Path:
    """The file of a segment."""
    return directory / f"{number:010d}{SUFFIX}"


def segment_numbers(directory: Path) -> list[int]:
    """The segments that exist, oldest first."""
    stems = (path.stem for path in directory.glob(f"*{SUFFIX}"))
    return sorted(int(stem) for stem in stems if stem.isdecimal())


class Appender:
    """The end of one segment. Not for use by two threads at once."""

    __slots__ = ("_spoiled", "_write", "fd", "path", "size")

    def __init__(self, path: Path, write: Writer) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self.path = path
        self.fd = os.open(path, flags, 0o600)
        self.size = os.fstat(self.fd).st_size
        self._write = write
        self._spoiled = False

    def append(self, record: bytes) -> None:
        """Puts whole lines at the end: all of them, in one syscall, or none that counts.

        A record cut short stays in the file, closed by a mark that makes it unreadable: nothing
        is truncated under a reader, and the next record starts on a line of its own.

        Raises:
            JournalUnwritableError: the file took less than the record.
        """
        data = SPOILED + record if self._spoiled else record
        try:
            taken = self._write(self.fd, data)
        except OSError as error:
            raise JournalUnwritableError(
                f"journal {self.path} takes no record ({error.strerror}): calls are refused until "
                "it does; free space there or make it writable"
            ) from error
        self.size += taken
        if taken == len(data):
            self._spoiled = False
            return
        if taken >= len(SPOILED) and self._spoiled:
            self._spoiled = taken > len(SPOILED)
        elif taken:
            self._spoiled = True
        raise JournalUnwritableError(
            f"journal {self.path} took {taken} of {len(data)} bytes, its disk is full: calls are "
            "refused until there is space"
        )

    def close(self) -> None:
        """Gives the descriptor back."""
        os.close(self.fd)


def whole_lines(path: Path, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """Each line that has its newline, with the offset after it. Ends at a torn tail.

    Raises:
        OSError: the file can't be read.
    """
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        offset, rest = start, b""
        while chunk := file.read(CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                offset += len(line) + 1
                yield offset, line
