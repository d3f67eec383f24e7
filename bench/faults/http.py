"""One GET over a new connection."""

import asyncio


async def get(
    port: int,
    target: str,
    *,
    token: str = "",
    timeout: float = 5.0,  # noqa: ASYNC109 -- of the whole exchange
) -> tuple[int, bytes]:
    """Status and body; status 0 where nobody answers in time."""
    authorization = f"authorization: Bearer {token}\r\n" if token else ""
    head = f"GET {target} HTTP/1.1\r\nhost: gateway\r\n{authorization}connection: close\r\n\r\n"
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(head.encode())
                answer = await reader.read()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return 0, b""
    top, _, body = answer.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" in top.lower():
        body = _joined(body)
    words = top.split(b" ", 2)
    return (int(words[1]), body) if len(words) > 1 else (0, b"")


def _joined(chunks: bytes) -> bytes:
    found = b""
    while chunks:
        size, _, rest = chunks.partition(b"\r\n")
        length = int(size, 16)
        found, chunks = found + rest[:length], rest[length + 2 :]
    return found
