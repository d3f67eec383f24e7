"""Where configs come from."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from bailiwick_contract.bounds import MAX_CONFIG_BYTES

POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Update:
    """A config as it came; a greater sequence is newer."""

    sequence: int
    data: bytes


class ConfigSource(Protocol):
    """Gives the newest config of this gateway's namespace, again and again."""

    def read(self) -> Update | None:
        """The newest config right now, where that can be said without waiting."""
        ...

    def updates(self) -> AsyncIterator[Update]:
        """Each config that is newer than the last one read; slow readers skip some."""
        ...


class FileConfigSource:
    """Configs from a file that its writer replaces by rename (a mounted ConfigMap does too).

    Polled: a directory watch would miss the double symlink of a ConfigMap volume, and ten stats
    a second cost nothing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._last = b""
        self._sequence = 0

    def read(self) -> Update | None:
        """The file's content, if it is there and was not read before."""
        try:
            status = self._path.stat()
            mark = (status.st_mtime_ns, status.st_size, status.st_ino)
            if mark == self._seen:
                return None
            with self._path.open("rb") as file:
                data = file.read(MAX_CONFIG_BYTES + 1)
        except OSError:
            return None
        self._seen = mark
        if self._sequence and data == self._last:
            return None
        self._last = data
        self._sequence += 1
        return Update(self._sequence, data)

    async def updates(self) -> AsyncIterator[Update]:
        """Each new content, within a tenth of a second."""
        while True:
            update = self.read()
            if update is not None:
                yield update
            await asyncio.sleep(POLL_SECONDS)
