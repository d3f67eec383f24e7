"""What a call is to the server, and the server to a call."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from bailiwick_sidecar.llm_grpc.status import Status, Trailers


@dataclass(frozen=True, slots=True)
class Incoming:
    """A call's head as Envoy passed it on. Names are in lower case."""

    path: str
    headers: Mapping[str, str]


class Reply(Protocol):
    """The way back to the caller. What comes after the end is dropped."""

    def send(self, frames: bytes) -> None:
        """Messages, framed."""
        ...

    def end(self, status: Status, trailers: Trailers = (), *, frames: bytes = b"") -> None:
        """The last messages and the status."""
        ...


class Call(Protocol):
    """One call. Its methods are called in the event loop, and never after `gone` or its end."""

    def message(self, data: bytes) -> None:
        """One message of the caller's."""
        ...

    def half_closed(self) -> None:
        """The caller has said everything."""
        ...

    def gone(self) -> None:
        """The caller cancelled or left: whatever is under way for it ends."""
        ...

    def writable(self, *, ready: bool) -> None:
        """Whether the caller keeps up with what is sent."""
        ...


Open = Callable[[Incoming, Reply], Call]
Methods = Mapping[str, Open]
"""By path: `/package.Service/Method`."""
