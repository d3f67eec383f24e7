"""What the agent answers on its socket."""

from collections.abc import Callable
from dataclasses import dataclass

Headers = tuple[tuple[str, str], ...]


def _there() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as it came. Header names are lower case; the last of equal names counts.

    `gone` says whether who asked has closed the connection, so that no answer will be read.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    gone: Callable[[], bool] = _there


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (names in lower case) and body."""

    status: int
    headers: Headers = ()
    body: bytes = b""
