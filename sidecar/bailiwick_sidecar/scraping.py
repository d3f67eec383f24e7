"""The metrics port: /metrics, /healthz, /readyz."""

from collections.abc import Callable

from bailiwick_sidecar.admission.answer import Answer, Request
from bailiwick_sidecar.admission.front import ready_answer
from bailiwick_sidecar.metrics import CONTENT_TYPE


class Scraping:
    """Answers scrapes and probes."""

    def __init__(
        self, metrics: Callable[[], bytes], reasons: Callable[[], tuple[str, ...]]
    ) -> None:
        self._metrics = metrics
        self._reasons = reasons

    async def __call__(self, request: Request) -> Answer:
        """The exposition, that the process lives, or whether the gateway is ready."""
        text = (("content-type", "text/plain; charset=utf-8"),)
        if request.method != "GET":
            return Answer(405)
        match request.path:
            case "/metrics":
                return Answer(200, (("content-type", CONTENT_TYPE),), self._metrics())
            case "/healthz":
                return Answer(200, text, b"ok\n")
            case "/readyz":
                return ready_answer(self._reasons())
            case _:
                return Answer(404, text, b"/metrics, /healthz and /readyz are here\n")
