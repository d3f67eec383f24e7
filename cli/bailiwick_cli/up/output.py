"""What a child process prints: kept in a file of bounded size, with a tail at hand."""

import asyncio
import os
from collections import deque
from pathlib import Path

LARGEST = 4 * 1024 * 1024
TAIL_LINES = 12


class OutputLog:
    """Appends to `path`; at 4 MiB the file becomes `path.1` and a new one begins."""

    def __init__(self, path: Path, *, largest: int = LARGEST) -> None:
        self.path = path
        self._largest = largest
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._file = self._open()

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        return os.open(self.path, flags, 0o600)

    def write(self, line: bytes) -> None:
        """The line is in the file, or lost where the disk is full: a log never stops a gateway."""
        self._tail.append(line.decode(errors="replace").rstrip("\n"))
        try:
            os.write(self._file, line)
            if os.fstat(self._file).st_size >= self._largest:
                self._begin_another()
        except OSError as error:
            self._tail.append(f"(this log can't be written: {error.strerror})")

    def _begin_another(self) -> None:
        """The next line goes to a new file; to the old one where there is no room for another."""
        if self.path.exists():
            self.path.replace(self.path.with_name(f"{self.path.name}.1"))
        # Never write to a descriptor that was given back: its number may be somebody else's.
        fresh = self._open()
        os.close(self._file)
        self._file = fresh

    async def drain(self, stream: asyncio.StreamReader) -> None:
        """Everything that the stream says until it ends is in the log."""
        while True:
            try:
                line = await stream.readline()
            except ValueError:
                # Longer than the reader's buffer: the buffer was dropped.
                line = b"(a line too long to keep)\n"
            if not line:
                return
            self.write(line)

    def mark(self) -> None:
        """A new process begins: the tail is its own from here on."""
        self._tail.clear()

    def tail(self) -> str:
        """The last lines of the process that runs now, or ran last."""
        return "\n".join(self._tail)

    def close(self) -> None:
        """No more is written."""
        os.close(self._file)
