"""Envoy's admin interface over its Unix socket: the one request that the tailer needs."""

import asyncio
from pathlib import Path
from typing import Final

from bailiwick_sidecar.accounting.errors import LogUnavailableError

TIMEOUT: Final = 2.0
"""Seconds."""
REQUEST: Final = (
    b"POST /reopen_logs HTTP/1.1\r\nhost: admin\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)


class EnvoyAdmin:
    """Asks Envoy to reopen its access logs (admin interface reference, `/reopen_logs`)."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def __call__(self) -> None:
        """Return when Envoy has promised to reopen them with its next write.

        Raises:
            LogUnavailableError: Envoy is away or said no.
        """
        try:
            async with asyncio.timeout(TIMEOUT):
                status = await self._ask()
        except (OSError, TimeoutError, EOFError) as error:
            raise LogUnavailableError(
                f"Envoy's admin socket {self._socket} does not answer ({error!r}): the log is not "
                "rotated; it is tried again"
            ) from error
        if b" 200 " not in status:
            raise LogUnavailableError(
                f"Envoy's admin interface refused /reopen_logs with {status[:40]!r}: allow that "
                "path in the bootstrap's admin section"
            )

    async def _ask(self) -> bytes:
        reader, writer = await asyncio.open_unix_connection(str(self._socket))
        try:
            writer.write(REQUEST)
            await writer.drain()
            return await reader.readline()
        finally:
            writer.close()
