"""Messages on a gRPC stream: a flag, four bytes of length, then the message.

gRPC over HTTP/2, "Length-Prefixed-Message" (grpc/grpc, doc/PROTOCOL-HTTP2.md).
"""

import zlib
from typing import Final

from bailiwick_contract.errors import BailiwickError
from bailiwick_sidecar.llm_grpc.status import Code

MAX_MESSAGE: Final = 16 * 1024 * 1024
"""Bytes of a message that is taken in: as much as the HTTP API takes."""
PREFIX: Final = 5
ENCODINGS: Final = "identity,gzip"
_GZIP_WINDOW: Final = 31


class FramingError(BailiwickError):
    """What came is no message; `code` is the status to answer with."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


def frame(message: bytes) -> bytes:
    """The message as it travels, not compressed."""
    return b"\0" + len(message).to_bytes(4, "big") + message


class Deframer:
    """Cuts what arrives into messages. `encoding` is the value of `grpc-encoding`."""

    def __init__(self, encoding: str = "", limit: int = MAX_MESSAGE) -> None:
        self._encoding = encoding
        self._limit = limit
        self._held = bytearray()
        self._due = PREFIX

    @property
    def partial(self) -> bool:
        """True in the middle of a message."""
        return bool(self._held)

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are whole now.

        Raises:
            FramingError: one is too large, or compressed in a way that was not announced.
        """
        self._held += data
        found: list[bytes] = []
        while len(self._held) >= self._due:
            length = int.from_bytes(self._held[1:PREFIX], "big")
            if length > self._limit:
                raise self._too_large()
            self._due = PREFIX + length
            if len(self._held) < self._due:
                break
            found.append(self._message(self._held[0], bytes(self._held[PREFIX : self._due])))
            del self._held[: self._due]
            self._due = PREFIX
        return found

    def _message(self, flag: int, raw: bytes) -> bytes:
        if flag == 0:
            return raw
        if flag != 1 or self._encoding in ("", "identity"):
            raise FramingError(Code.INTERNAL, "a message is compressed without saying how")
        if self._encoding != "gzip":
            raise FramingError(
                Code.UNIMPLEMENTED, f"messages are taken as they are or with gzip: {ENCODINGS}"
            )
        inflate = zlib.decompressobj(_GZIP_WINDOW)
        try:
            message = inflate.decompress(raw, self._limit + 1)
        except zlib.error as error:
            raise FramingError(Code.INTERNAL, "a message is no gzip") from error
        if len(message) > self._limit:
            raise self._too_large()
        if not inflate.eof:
            raise FramingError(Code.INTERNAL, "a message's gzip is cut off")
        return message

    def _too_large(self) -> FramingError:
        return FramingError(
            Code.RESOURCE_EXHAUSTED, f"the message is larger than {self._limit} bytes"
        )
