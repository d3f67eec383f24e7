"""Envoy's log as one stream of whole lines, across rotation, truncation and a missing file."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bailiwick_sidecar.accounting.lines import TailMark
from bailiwick_sidecar.accounting.records import MAX_LINE

log = logging.getLogger(__name__)

CHUNK: Final = 1 << 18


@dataclass(slots=True)
class _File:
    """One file of the log. `base` is its beginning in the whole stream."""

    fd: int
    inode: int
    base: int
    offset: int = 0


class LogFile:
    """Reads what Envoy appends to a path, and to the file that the path named before.

    A place in the stream is one growing number over all files, so that places of different
    files compare; `mark` turns it into what a restart can find again.
    """

    def __init__(self, path: Path, *, after: TailMark = (0, 0)) -> None:
        """A reader that begins after this mark, or at the oldest file that is left."""
        self.path = path
        self.rotated = path.with_name(path.name + ".1")
        self.torn = 0
        """Lines cut by a truncation, or too long to be records."""
        self._rest = b""
        self._skipping = False
        self._file: _File | None = None
        self._former: _File | None = None
        self._begin(after)

    @property
    def place(self) -> int:
        """How far it has read, in whole lines."""
        return self._file.base + self._file.offset - len(self._rest) if self._file else 0

    @property
    def size(self) -> int:
        """Bytes read of the present file."""
        return self._file.offset if self._file is not None else 0

    @property
    def present(self) -> bool:
        """True where there is a file to read."""
        return self._file is not None

    def mark(self, place: int) -> TailMark:
        """The file and offset of a place in the stream."""
        for file in (self._file, self._former):
            if file is not None and place >= file.base:
                return (file.inode, place - file.base)
        return (0, 0)

    def read(self) -> list[tuple[int, bytes]]:
        """The whole lines that came since, each with the place where it begins.

        A line whose newline is not there yet is left for later.

        Raises:
            OSError: the log can't be read.
        """
        if self._file is None:
            self._open(self.path)
            if self._file is None:
                return []
        found: list[tuple[int, bytes]] = []
        while not found and (chunk := os.read(self._file.fd, CHUNK)):
            found = self._split(self._file, chunk)
        return found

    def follow(self) -> bool:
        """Go on with the file that the path names now, if the old one is read to its end.

        Envoy closes a file before it opens the next, so once there is a next one the old one
        grows no more. A file that shrank was truncated and is read from its beginning. True
        where something changed and there may be more to read.
        """
        file = self._file
        if file is None:
            return False
        # The name first: what was written before the next file came is then in the size.
        named = _inode(self.path)
        size = os.fstat(file.fd).st_size
        if size < file.offset:
            log.warning("event=log_truncated path=%s read=%d size=%d", self.path, file.offset, size)
            self._truncated(file)
            return True
        if named in (0, file.inode) or size > file.offset:
            return False
        self._drop_rest()
        self._open(self.path)
        return True

    def rotate(self) -> None:
        """Give the file another name; the reader stays with it until Envoy has a new one.

        Nothing happens where the path names another file already.

        Raises:
            OSError: it can't be renamed.
        """
        if self._file is not None and _inode(self.path) == self._file.inode:
            self.path.rename(self.rotated)

    @property
    def waits(self) -> bool:
        """True where the path names nothing, so that Envoy must be asked to make it."""
        return self._file is not None and not self.path.exists()

    def close(self) -> None:
        """Gives the descriptors back."""
        for file in (self._file, self._former):
            if file is not None:
                os.close(file.fd)
        self._file = self._former = None

    def _split(self, file: _File, chunk: bytes) -> list[tuple[int, bytes]]:
        place = self.place
        file.offset += len(chunk)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        found: list[tuple[int, bytes]] = []
        for line in lines:
            if self._skipping:
                self._skipping = False
            elif line:
                found.append((place, line))
            place += len(line) + 1
        if len(self._rest) > MAX_LINE:
            self._skipping, self._rest = True, b""
            self.torn += 1
        return found

    def _begin(self, after: TailMark) -> None:
        inode, offset = after
        for path in (self.rotated, self.path):
            if _inode(path) == inode and inode:
                self._open(path)
                break
        else:
            offset = 0
            self._open(self.rotated)
            if self._file is None:
                self._open(self.path)
        if self._file is not None and os.fstat(self._file.fd).st_size >= offset:
            self._file.offset = os.lseek(self._file.fd, offset, os.SEEK_SET)

    def _open(self, path: Path) -> None:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        base = self._file.base + self._file.offset if self._file is not None else 0
        if self._former is not None:
            os.close(self._former.fd)
        self._former = self._file
        self._file = _File(fd=fd, inode=os.fstat(fd).st_ino, base=base)

    def _truncated(self, file: _File) -> None:
        self._drop_rest()
        file.base += file.offset
        file.offset = os.lseek(file.fd, 0, os.SEEK_SET)

    def _drop_rest(self) -> None:
        if self._rest:
            self.torn += 1
        self._rest, self._skipping = b"", False


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0
