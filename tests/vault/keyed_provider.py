"""A provider process for load: takes the keys that a file lists, and counts their uses.

`keyed_provider.py VALID-KEYS-FILE USES-FILE` prints its port; at SIGTERM it writes what it counted.
"""

import asyncio
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
EVENTS = 4
EVENT_SECONDS = 0.05


class Keys:
    """Which keys are valid now, and what was seen of each."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._mark = (0, 0)
        self._valid: frozenset[str] = frozenset()
        self.uses: dict[str, dict[str, float]] = {}

    def take(self, key: str) -> bool:
        """True where the key is valid at this moment."""
        status = self._file.stat()
        if (mark := (status.st_mtime_ns, status.st_ino)) != self._mark:
            self._mark, self._valid = mark, frozenset(self._file.read_text().split())
        now = time.time()
        use = self.uses.setdefault(key, {"count": 0, "refusals": 0, "first": now, "last": now})
        if key not in self._valid:
            use["refusals"] += 1
            return False
        use["count"] += 1
        use["last"] = now
        return True


async def serve(keys: Keys, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            fields = dict(
                line.lower().split(": ", 1)
                if not line.lower().startswith("authorization")
                else ("authorization", line.split(": ", 1)[1])
                for line in head.decode().split("\r\n")[1:-2]
            )
            body: dict[str, Any] = json.loads(
                await reader.readexactly(int(fields["content-length"]))
            )
            valid = keys.take(fields.get("authorization", "").removeprefix("Bearer "))
            if not valid:
                write(writer, 401, b'{"error":{"message":"told","code":"invalid_api_key"}}')
            elif body.get("stream"):
                await stream(writer)
            else:
                message = {"role": "assistant", "content": "hi"}
                said = {"choices": [{"index": 0, "message": message}], "usage": USAGE}
                write(writer, 200, json.dumps(said).encode())
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


def write(writer: asyncio.StreamWriter, status: int, body: bytes) -> None:
    """A whole answer."""
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n"
    writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)


async def stream(writer: asyncio.StreamWriter) -> None:
    """An answer in events that take a while."""
    writer.write(
        b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    for _ in range(EVENTS):
        event = {"choices": [{"index": 0, "delta": {"content": "w"}}]}
        chunk(writer, b"data: " + json.dumps(event).encode() + b"\n\n")
        await writer.drain()
        await asyncio.sleep(EVENT_SECONDS)
    chunk(writer, b"data: " + json.dumps({"choices": [], "usage": USAGE}).encode() + b"\n\n")
    chunk(writer, b"data: [DONE]\n\n")
    writer.write(b"0\r\n\r\n")


def chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    """One chunk of a body."""
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


async def main(keys: Keys) -> None:
    """Serve until SIGTERM."""
    server = await asyncio.start_server(lambda r, w: serve(keys, r, w), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()


if __name__ == "__main__":
    counted = Keys(Path(sys.argv[1]))
    asyncio.run(main(counted))
    Path(sys.argv[2]).write_text(json.dumps(counted.uses))
