"""What the agent answers on its socket."""

from collections.abc import Callable

import msgspec

Headers = tuple[tuple[str, str], ...]


def _there() -> bool:
    return False


class Request(msgspec.Struct, frozen=True):
    """One HTTP request as it came. Header names are lower case; the last of equal names counts.

    `gone` says whether who asked has closed the connection, so that no answer will be read.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    gone: Callable[[], bool] = _there


class Answer(msgspec.Struct, frozen=True):
    """Status, headers (names in lower case) and body."""

    status: int
    headers: Headers = ()
    body: bytes = b""
