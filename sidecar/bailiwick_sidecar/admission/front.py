"""The admission socket's paths."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from bailiwick_sidecar.admission.admit import admit
from bailiwick_sidecar.admission.answer import Answer, Request
from bailiwick_sidecar.admission.attempt import attempt
from bailiwick_sidecar.admission.errors import refused, shown
from bailiwick_sidecar.admission.gate import Gate, stream_id
from bailiwick_sidecar.admission.models import models
from bailiwick_sidecar.admission.usage import usage
from bailiwick_sidecar.idempotency.admitting import answered

AGENT_HEADER: Final = b"x-bw-agent: 1\r\n"
"""On every answer: without it Envoy's Lua knows that the call failed on the way."""

OK: Final = 200

Paths = Mapping[tuple[str, str], Callable[[Gate, Request], Awaitable[Answer]]]

PATHS: Final[Paths] = {
    ("POST", "/admit"): admit,
    ("POST", "/attempt"): attempt,
    ("POST", "/answer"): answered,
    ("GET", "/v1/models"): models,
    ("GET", "/v1/usage"): usage,
}

LEAVING: Final = frozenset({"/admit", "/attempt"})
"""Whose answer lets an attempt leave."""


class Front:
    """Sends each request to what answers it; `readiness` gives the reasons not to be ready."""

    def __init__(self, gate: Gate, readiness: Callable[[], tuple[str, ...]]) -> None:
        self._gate = gate
        self._readiness = readiness

    async def __call__(self, request: Request) -> Answer:
        """The answer.

        Raises:
            RefusedError: nothing is at that path, or the caller is none.
        """
        handler = PATHS.get((request.method, request.path))
        if handler is not None:
            answer = await handler(self._gate, request)
            if request.path in LEAVING and answer.status == OK and request.gone():
                await self._forget(request)
            return answer
        if request.path == "/readyz":
            return ready_answer(self._readiness())
        raise refused("not_found", path=shown(request.path))

    async def _forget(self, request: Request) -> None:
        """Give back what was admitted for somebody who is gone: without an answer nothing leaves.

        Envoy may have died with its question on the way. The attempt would then be younger than
        the next Envoy, and wait for a record until its deadline.
        """
        stream, number = stream_id(request), int(request.headers.get("x-bw-attempt", "1"))
        await self._gate.accounts.abandon((stream, number))
        if self._gate.keyed is not None and number == 1:
            self._gate.keyed.release(stream)


def ready_answer(reasons: tuple[str, ...]) -> Answer:
    """200 where there is no reason against it, else 503 with one reason a line."""
    text = "".join(f"{reason}\n" for reason in reasons) or "ready\n"
    return Answer(503 if reasons else 200, (("content-type", "text/plain"),), text.encode())
