"""The echo provider of `up --echo`: a process of its own, kept alive like the others."""

import asyncio
import sys
from collections.abc import Callable

from bailiwick_cli.datadir import DataDir, private_dir
from bailiwick_cli.errors import StartError
from bailiwick_cli.up import admin
from bailiwick_cli.up.child import Child, Command
from bailiwick_cli.up.output import OutputLog
from bailiwick_cli.up.ports import ensure_free

READY_S = 10.0
POLL_S = 0.03
GRACE_S = 2.0


class EchoProvider:
    """Listens on 127.0.0.1."""

    def __init__(self, data: DataDir, *, port: int, say: Callable[[str], None]) -> None:
        self._port = port
        self._say = say
        self._log = OutputLog(private_dir(data.logs) / "echo.log")
        argv = (sys.executable, "-m", "bailiwick_cli.echo", "--port", str(port))
        self._child = Child(Command(argv=argv, cwd=data.root), log=self._log, watcher=self)
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """It answers.

        Raises:
            PortError: its port is taken.
            StartError: it does not start.
        """
        ensure_free(self._port, what="the echo provider", option="--echo-port")
        self._running = asyncio.create_task(self._child.run())
        end = asyncio.get_running_loop().time() + READY_S
        while await admin.port(self._port, target="/v1/models") is None:
            if asyncio.get_running_loop().time() > end:
                tail = self._log.tail()
                await self.stop()
                raise StartError(f"the echo provider does not start; it said:\n{tail}")
            await asyncio.sleep(POLL_S)

    def started(self, pid: int) -> None:
        """It runs."""

    def died(self, code: int) -> None:
        """It ended by itself, and is started again."""
        self._say(f"the echo provider ended with code {code}; starting it again")

    async def stop(self) -> None:
        """It does not run."""
        await self._child.stop(grace_s=GRACE_S)
        if self._running is not None:
            await asyncio.gather(self._running, return_exceptions=True)
        self._log.close()
