"""The network between gateways and their collector: it can be cut, stall, or lose answers."""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Final

CHUNK: Final = 1 << 16
HANDSHAKE: Final = 2
"""Answers of a handshake."""


class Relay:
    """Passes bytes from a port of its own on to another; it understands none of them."""

    def __init__(self, to_port: int) -> None:
        self.port = 0
        self.swallowed = 0
        """Answers that got lost, in pieces as they came."""
        self._to = to_port
        self._cut = False
        self._deaf = False
        self._flows = asyncio.Event()
        self._flows.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """It listens."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """It does not listen, and nothing is open."""
        if self._server is not None:
            self._server.close()
        self.mend()
        self.drop()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def drop(self) -> None:
        """Every connection is reset."""
        for writer in self._open:
            writer.transport.abort()

    def cut(self) -> None:
        """Nobody reaches anybody until `mend`; what was open is reset."""
        self._cut = True
        self.drop()

    def stall(self) -> None:
        """Nothing arrives until `mend`; then everything does."""
        self._flows.clear()

    def swallow_answers(self) -> None:
        """What the collector says is lost until `mend`, which resets what was open.

        Not what it says until both sides know each other: nothing would be asked then.
        """
        self._deaf = True

    def mend(self) -> None:
        """Everything passes."""
        if self._deaf:
            self.drop()
        self._cut = self._deaf = False
        self._flows.set()

    async def _serve(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        writers = {back}
        self._open.add(back)
        try:
            if self._cut:
                back.transport.abort()
                return
            far, on = await asyncio.open_connection("127.0.0.1", self._to)
            writers.add(on)
            self._open.add(on)
            talk = _Talk()
            passing = [
                asyncio.ensure_future(self._ask(near, on, talk)),
                asyncio.ensure_future(self._answer(far, back, talk)),
            ]
            try:
                await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in passing:
                    one.cancel()
                await asyncio.gather(*passing, return_exceptions=True)
        except OSError:
            pass  # the collector is away: its gateway finds a connection that ends at once
        finally:
            for writer in writers:
                writer.transport.abort()
            self._open -= writers
            self._tasks.discard(task)

    async def _ask(
        self, source: asyncio.StreamReader, to: asyncio.StreamWriter, talk: "_Talk"
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK):
                await self._flows.wait()
                talk.asked()
                to.write(data)
                await to.drain()

    async def _answer(
        self, source: asyncio.StreamReader, to: asyncio.StreamWriter, talk: "_Talk"
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK):
                await self._flows.wait()
                if self._deaf and talk.begun:
                    self.swallowed += 1
                    continue
                talk.answers += 1
                to.write(data)
                await to.drain()


@dataclass(slots=True)
class _Talk:
    """How far a connection is: its handshake takes two answers (TLS, then HTTP/2's settings)."""

    answers: int = 0
    begun: bool = False

    def asked(self) -> None:
        self.begun = self.begun or self.answers >= HANDSHAKE
