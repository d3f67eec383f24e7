"""Stand-ins for the two ends that the data plane talks to: the agent and a model's provider."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from dataplane_kit.configs import ENDPOINTS
from dataplane_kit.http1 import Http1Server, Received, Reply


def allow(route: str, plan: list[str], **headers: str) -> Reply:
    """The agent's yes."""
    return Reply(
        200,
        {
            "x-bw-agent": "1",
            "x-bw-route": route,
            "x-bw-plan": ",".join(plan),
            "x-bw-model": '"provider-model"',
            **{name.replace("_", "-"): value for name, value in headers.items()},
        },
    )


def deny(status: int, code: str, **headers: str) -> Reply:
    """The agent's no."""
    body = json.dumps({"error": {"message": code, "type": "x", "param": None, "code": code}})
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(
        status, {"x-bw-agent": "1", "content-type": "application/json", **named}, body.encode()
    )


def _marked(reply: Reply, code: str) -> Reply:
    """The reply with the mark of the endpoint that this backend has in the newest config."""
    if reply.status == 200:
        reply.headers.setdefault("x-bw-endpoint", ENDPOINTS.get(code, ""))
    return reply


class StubAgent:
    """Answers /admit and /attempt as the test says, and records what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Received] = []
        self.on_admit: Callable[[Received], Reply] = lambda _: deny(500, "unset")
        self.on_attempt: Callable[[Received], Reply] = lambda _: deny(500, "unset")
        self.on_answer: Callable[[Received], Reply] = lambda _: Reply(200, {"x-bw-agent": "1"})
        self.server = Http1Server(self._answer)

    def admissions(self) -> list[dict[str, Any]]:
        """Bodies of the /admit calls."""
        return [json.loads(one.body) for one in self.asked if one.path == "/admit"]

    async def _answer(self, request: Received) -> Reply:
        self.asked.append(request)
        if request.path == "/admit":
            reply = self.on_admit(request)
            return _marked(reply, reply.headers.get("x-bw-plan", "").split(",")[0])
        if request.path == "/attempt":
            return _marked(self.on_attempt(request), request.headers["x-bw-backend"])
        if request.path == "/answer":
            return self.on_answer(request)
        if request.path == "/readyz":
            return Reply(200, {"x-bw-agent": "1"}, b"ready")
        body = json.dumps({"path": request.path}).encode()
        return Reply(200, {"x-bw-agent": "1", "content-type": "application/json"}, body)


def completion(text: str = "hi", **usage: int) -> Reply:
    """A unary answer with usage."""
    body = {
        "id": "c1",
        "object": "chat.completion",
        "model": "provider-model-1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7, **usage},
    }
    return Reply(200, {"content-type": "application/json"}, json.dumps(body).encode())


class Provider:
    """Answers as the test says, and records what it received."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.on_call: Callable[[Received], Reply] = lambda _: completion()
        self.server = Http1Server(self._answer)
        self.port = 0

    async def _answer(self, request: Received) -> Reply:
        self.received.append(request)
        await asyncio.sleep(0)
        return self.on_call(request)
