"""grpc.health.v1: whether this gateway serves (grpc/grpc, doc/health-checking.md)."""

import asyncio
from collections.abc import Callable
from typing import Final

from google.protobuf.message import DecodeError
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from bailiwick_sidecar.llm_grpc.framing import frame
from bailiwick_sidecar.llm_grpc.method import SERVICE
from bailiwick_sidecar.llm_grpc.rpc import Methods, Reply
from bailiwick_sidecar.llm_grpc.status import OK, Code, failure

NAME: Final = "grpc.health.v1.Health"
KNOWN: Final = ("", SERVICE)
WATCHERS: Final = 64
"""Streams at once: anybody may open one."""
POLL_SECONDS: Final = 0.5

Ready = Callable[[], bool]
State = int
"""A value of HealthCheckResponse.ServingStatus."""


class Health:
    """Answers of the service."""

    def __init__(self, ready: Ready) -> None:
        self._ready = ready
        self.watchers = 0

    def methods(self) -> Methods:
        """The service's methods by path."""
        return {
            f"/{NAME}/Check": lambda _, reply: Check(self, reply),
            f"/{NAME}/Watch": lambda _, reply: Watch(self, reply),
        }

    def state(self, service: str) -> State:
        """The state of a service."""
        if service not in KNOWN:
            return HealthCheckResponse.SERVICE_UNKNOWN
        return HealthCheckResponse.SERVING if self._ready() else HealthCheckResponse.NOT_SERVING


class Check:
    """One question, one answer."""

    def __init__(self, health: Health, reply: Reply) -> None:
        self._health = health
        self._reply = reply
        self._asked: str | None = None

    def message(self, data: bytes) -> None:
        """The question."""
        try:
            self._asked = HealthCheckRequest.FromString(data).service
        except DecodeError:
            self._reply.end(failure(Code.INTERNAL, "bad_message", "The message is no question."))

    def half_closed(self) -> None:
        """Answer."""
        if self._asked is None:
            self._reply.end(failure(Code.INTERNAL, "bad_message", "There was no question."))
            return
        state = self._health.state(self._asked)
        if state == HealthCheckResponse.SERVICE_UNKNOWN:
            message = f"There is no service of that name; ask for {SERVICE} or nothing."
            self._reply.end(failure(Code.NOT_FOUND, "not_found", message))
            return
        self._reply.end(OK, frames=_framed(state))

    def gone(self) -> None:
        """Nothing is under way."""

    def writable(self, *, ready: bool) -> None:
        """An answer is a few bytes."""


class Watch(Check):
    """One question; an answer at once and after each change."""

    def __init__(self, health: Health, reply: Reply) -> None:
        super().__init__(health, reply)
        self._timer: asyncio.TimerHandle | None = None
        self._said: State | None = None

    def half_closed(self) -> None:
        """Answer, and keep watching."""
        if self._asked is None:
            super().half_closed()
        elif self._health.watchers >= WATCHERS:
            message = f"More than {WATCHERS} watch already: use Check."
            self._reply.end(failure(Code.RESOURCE_EXHAUSTED, "too_many_watchers", message))
        else:
            self._health.watchers += 1
            self._look()

    def gone(self) -> None:
        """Nobody watches any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._health.watchers -= 1

    def _look(self) -> None:
        assert self._asked is not None
        state = self._health.state(self._asked)
        if state != self._said:
            self._said = state
            self._reply.send(_framed(state))
        self._timer = asyncio.get_running_loop().call_later(POLL_SECONDS, self._look)


def _framed(state: State) -> bytes:
    return frame(HealthCheckResponse(status=state).SerializeToString())
