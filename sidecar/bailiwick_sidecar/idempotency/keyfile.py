"""Keys on disk, so that a restart forgets none: hashes and times, no prompt and no answer.

One JSON array a line: `["o", caller, key, digest, stream, at, deadline]` for a call that may leave,
`["s", key]` once it is made, `["f", key]` where the key is free again. A line reaches the kernel
before the call leaves: it survives the death of every process, as the journal does, not the node's.
"""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import orjson

from bailiwick_sidecar.accounting.segments import Appender, Writer
from bailiwick_sidecar.idempotency.model import Claim, State

NAME: Final = "keys.log"

log = logging.getLogger(__name__)


class KeyFile:
    """The file of one gateway."""

    def __init__(self, directory: Path, *, write: Writer) -> None:
        """Makes the directory (mode 0700) where it is missing.

        Raises:
            OSError: it can't be made.
        """
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = directory / NAME
        self._write = write
        self._end: Appender | None = None
        self.lines = 0
        """Lines in the file."""

    def read(self) -> Iterator[Claim]:
        """What it says, the oldest first; lines that mean nothing are passed over."""
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return
        claims: dict[str, Claim] = {}
        for line in raw.splitlines():
            match _parsed(line):
                case ["o", str(caller), str(key), str(digest), str(stream), int(at), int(deadline)]:
                    claims[key] = Claim(caller, key, digest, stream, at, deadline)
                case ["s", str(key)] if key in claims:
                    claims[key].state = State.SPENT
                case ["f", str(key)]:
                    claims.pop(key, None)
                case _:
                    log.warning("event=key_line_unreadable bytes=%d", len(line))
        yield from claims.values()

    def rewrite(self, claims: Iterable[Claim]) -> None:
        """Put these alone into the file, in one rename.

        Raises:
            JournalUnwritableError: the disk does not take them; the file is as it was.
            OSError: as above.
        """
        fresh = self._path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        end = Appender(fresh, self._write)
        lines = [
            line
            for claim in claims
            for line in (_opened(claim), *((_line("s", claim.key),) if _made(claim) else ()))
        ]
        try:
            if lines:
                end.append(b"".join(lines))
            fresh.replace(self._path)
        except BaseException:
            end.close()
            raise
        self.close()
        self._end, self.lines = end, len(lines)

    def opened(self, claim: Claim) -> None:
        """The call may leave.

        Raises:
            JournalUnwritableError: it must not.
        """
        self._append(_opened(claim))

    def spent(self, claim: Claim) -> None:
        """The call is made.

        Raises:
            JournalUnwritableError: the disk does not take it.
        """
        self._append(_line("s", claim.key))

    def freed(self, claim: Claim) -> None:
        """The key is free again.

        Raises:
            JournalUnwritableError: the disk does not take it.
        """
        self._append(_line("f", claim.key))

    def close(self) -> None:
        """Give the file back."""
        if self._end is not None:
            self._end.close()
            self._end = None

    def _append(self, line: bytes) -> None:
        if self._end is None:
            self._end = Appender(self._path, self._write)
        self._end.append(line)
        self.lines += 1


def _made(claim: Claim) -> bool:
    return claim.state is not State.OPEN


def _opened(claim: Claim) -> bytes:
    return _line("o", claim.caller, claim.key, claim.digest, claim.stream, claim.at, claim.deadline)


def _line(*members: str | int) -> bytes:
    return orjson.dumps(members) + b"\n"


def _parsed(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
