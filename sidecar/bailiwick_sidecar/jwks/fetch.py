"""Fetches a key set: one GET, bounded in every way, no redirect followed."""

import asyncio
import ipaddress
import ssl
from typing import Final
from urllib.parse import SplitResult, urlsplit

import httptools

from bailiwick_contract.errors import BailiwickError

TIMEOUT_SECONDS: Final = 5.0
MAX_BYTES: Final = 1 << 20
OK: Final = 200


class FetchError(BailiwickError):
    """A key set could not be fetched; the message says from where and why."""


async def fetch(uri: str) -> bytes:
    """The body at this address: https, or http to a loopback address.

    Raises:
        FetchError: it did not answer 200 within five seconds with at most 1 MiB.
    """
    parts = urlsplit(uri)
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await _get(uri, parts)
    except TimeoutError as error:
        raise FetchError(f"{uri} did not answer within {TIMEOUT_SECONDS:.0f} s") from error
    except (OSError, ValueError) as error:
        raise FetchError(f"{uri} cannot be reached: {error}") from error
    except httptools.HttpParserError as error:
        raise FetchError(f"{uri} does not speak HTTP/1.1") from error


async def _get(uri: str, parts: SplitResult) -> bytes:
    host = parts.hostname or ""
    secure = parts.scheme == "https"
    if not host or not (secure or (parts.scheme == "http" and _loopback(host))):
        raise FetchError(f"{uri}: a key set is fetched over https (http: loopback only)")
    port = parts.port or (443 if secure else 80)
    context = ssl.create_default_context() if secure else None
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        writer.write(
            f"GET {target} HTTP/1.1\r\nhost: {parts.netloc.rpartition('@')[2]}\r\n"
            "accept: application/json\r\nuser-agent: bailiwick\r\nconnection: close\r\n\r\n".encode(
                "ascii"
            )
        )
        answer = _Answer(uri)
        parser = httptools.HttpResponseParser(answer)
        while not answer.done:
            data = await reader.read(65_536)
            if not data:
                break
            answer.take(parser, data)
    finally:
        writer.close()
    return answer.body(parser.get_status_code() if answer.started else 0)


class _Answer:
    """Collects one response."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._chunks: list[bytes] = []
        self._bytes = 0
        self._close_delimited = True
        self.started = False
        self.done = False

    def take(self, parser: httptools.HttpResponseParser, data: bytes) -> None:
        self._bytes += len(data)
        if self._bytes > MAX_BYTES:
            raise FetchError(f"{self._uri} answers more than {MAX_BYTES} bytes")
        parser.feed_data(data)

    def body(self, status: int) -> bytes:
        if status != OK:
            said = f"status {status}" if status else "nothing"
            raise FetchError(f"{self._uri} answers {said}, not 200; redirects are not followed")
        if not self.done and not self._close_delimited:
            raise FetchError(f"{self._uri} ended in the middle of its answer")
        return b"".join(self._chunks)

    def on_header(self, name: bytes, _: bytes) -> None:
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self._close_delimited = False

    def on_headers_complete(self) -> None:
        self.started = True

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        self.done = True


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
