"""A process that is kept alive: restarted at once when it dies, then ever more slowly."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bailiwick_cli.up.output import OutputLog

LEASH = Path(__file__).with_name("leash.py")
FIRST_PAUSES_S = (0.0, 0.5, 1.0, 2.0, 4.0)
LONGEST_PAUSE_S = 8.0


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, and where."""

    argv: tuple[str, ...]
    cwd: Path


class Watcher(Protocol):
    """Told about a child's life."""

    def started(self, pid: int) -> None:
        """It runs."""

    def died(self, code: int) -> None:
        """It ended without being asked to. A negative code is a signal's number."""


def pause_s(deaths: int) -> float:
    """Seconds to wait before the start after so many deaths in a row (1: the first)."""
    return FIRST_PAUSES_S[deaths - 1] if deaths <= len(FIRST_PAUSES_S) else LONGEST_PAUSE_S


class Child:
    """One kept process. `run` starts it again and again until `stop`."""

    def __init__(
        self,
        command: Command,
        *,
        log: OutputLog,
        watcher: Watcher,
    ) -> None:
        self._command = command
        self._log = log
        self._watcher = watcher
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._deaths = 0

    @property
    def pid(self) -> int | None:
        """The process that runs now."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def run(self) -> None:
        """Keep it alive until `stop`.

        Raises:
            OSError: the program can't be started at all.
        """
        while not self._stopping.is_set():
            code = await self._once()
            if self._stopping.is_set():
                return
            self._deaths += 1
            self._watcher.died(code)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_s(self._deaths))

    def healthy(self) -> None:
        """It did its work: its next death is the first one in a row."""
        self._deaths = 0

    async def _once(self) -> int:
        command = self._command
        self._log.mark()
        self._process = process = await asyncio.create_subprocess_exec(
            *leashed(command.argv),
            cwd=command.cwd,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # Ctrl-C in a terminal reaches `up` alone, which then stops its children in order.
            start_new_session=True,
        )
        if self._stopping.is_set():
            self.signal(signal.SIGTERM)
        self._watcher.started(process.pid)
        assert process.stdout is not None
        reading = asyncio.create_task(self._log.drain(process.stdout))
        try:
            return await process.wait()
        finally:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reading, 1.0)

    def signal(self, number: signal.Signals) -> None:
        """The process, where there is one, gets the signal."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def stop(self, *, grace_s: float) -> None:
        """It has ended: asked with SIGTERM, after `grace_s` seconds by force."""
        self._stopping.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        self.signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), grace_s)
        except TimeoutError:
            self.signal(signal.SIGKILL)
            await process.wait()


def leashed(argv: Sequence[str]) -> tuple[str, ...]:
    """The command line under which the program dies with this process."""
    return (sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), *argv)
