"""Talks to a gateway's Envoy: its admin interface on a Unix socket, and its port."""

import asyncio
import json
import os
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bailiwick_cli.up.standin import HOST

TIMEOUT_S = 2.0
LARGEST_ANSWER = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body of a small HTTP answer."""

    status: int
    body: bytes


async def admin(run_dir: Path, socket_name: str, *, method: str, target: str) -> Answer | None:
    """What Envoy's admin interface says; None where nobody answers."""
    descriptor = os.open(run_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # The socket's own path may be longer than sun_path allows (107 bytes).
        short = f"/proc/self/fd/{descriptor}/{socket_name}"
        return await _ask(asyncio.open_unix_connection(short), method=method, target=target)
    finally:
        os.close(descriptor)


async def port(number: int, *, target: str) -> Answer | None:
    """What is answered on a port of this machine; None where nobody does."""
    return await _ask(asyncio.open_connection(HOST, number), method="GET", target=target)


_Connecting = Coroutine[Any, Any, tuple[asyncio.StreamReader, asyncio.StreamWriter]]


async def _ask(connecting: _Connecting, *, method: str, target: str) -> Answer | None:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = await connecting
            try:
                request = f"{method} {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
                writer.write(f"{request}content-length: 0\r\n\r\n".encode())
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.read(LARGEST_ANSWER)
                while not reader.at_eof() and len(body) < LARGEST_ANSWER:
                    body += await reader.read(LARGEST_ANSWER)
            finally:
                writer.close()
        return Answer(status=int(head.split(b" ", 2)[1]), body=_unchunked(head, body))
    except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError, IndexError):
        return None


def _unchunked(head: bytes, body: bytes) -> bytes:
    if b"transfer-encoding: chunked" not in head.lower():
        return body
    whole = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        whole, body = whole + rest[:length], rest[length + 2 :]
        if length == 0:
            break
    return whole


async def active_requests(run_dir: Path, socket_name: str) -> int | None:
    """Callers' requests that Envoy is working on; None where it does not say."""
    target = "/stats?format=json&filter=downstream_rq_active"
    answer = await admin(run_dir, socket_name, method="GET", target=target)
    if answer is None:
        return None
    try:
        stats = json.loads(answer.body)["stats"]
    except (ValueError, KeyError):
        return None
    # The admin interface counts our own question.
    return sum(
        int(stat["value"])
        for stat in stats
        if stat.get("name", "").startswith("http.") and not stat["name"].startswith("http.admin.")
    )
