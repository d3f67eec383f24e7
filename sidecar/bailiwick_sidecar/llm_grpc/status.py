"""How a call ends: gRPC's status, and its form in trailers.

The form is that of gRPC over HTTP/2 (grpc/grpc, doc/PROTOCOL-HTTP2.md), the details that of
google.rpc.Status (AIP-193).
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status as RpcStatus

DOMAIN: Final = "bailiwick.dev"
MAX_MESSAGE: Final = 1024
"""Characters of a status message: it travels in a header, twice."""

Trailers = tuple[tuple[str, str], ...]


class Code(IntEnum):
    """gRPC's status codes."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


@dataclass(frozen=True, slots=True)
class Status:
    """A call's end. `details` are serialised google.rpc.Status, empty for none."""

    code: Code
    message: str = ""
    details: bytes = b""

    def trailers(self) -> Trailers:
        """Its part of the trailing metadata."""
        if not self.message and not self.details:
            return (("grpc-status", str(int(self.code))),)
        found = [("grpc-status", str(int(self.code))), ("grpc-message", percent(self.message))]
        if self.details:
            encoded = base64.b64encode(self.details).rstrip(b"=").decode("ascii")
            found.append(("grpc-status-details-bin", encoded))
        return tuple(found)


OK: Final = Status(Code.OK)


def failure(
    code: Code,
    reason: str,
    message: str,
    *,
    facts: dict[str, str] | None = None,
    more: Iterable[Message] = (),
) -> Status:
    """The status of a call that failed: `reason` is the stable code, `more` further details."""
    message = message if len(message) <= MAX_MESSAGE else f"{message[: MAX_MESSAGE - 1]}…"
    rich = RpcStatus(code=int(code), message=message)
    rich.details.add().Pack(ErrorInfo(reason=reason, domain=DOMAIN, metadata=facts or {}))
    for detail in more:
        rich.details.add().Pack(detail)
    return Status(code, message, rich.SerializeToString())


def percent(text: str) -> str:
    """The text as `grpc-message` carries it: printable ASCII, the rest of its UTF-8 as %XX."""
    return "".join(
        chr(byte) if 0x20 <= byte <= 0x7E and byte != 0x25 else f"%{byte:02X}"  # noqa: PLR2004 -- the printable range, and the percent sign
        for byte in text.encode("utf-8", "replace")
    )
