"""The echo provider's HTTP/1.1 side."""

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httptools

from bailiwick_cli.echo.attempts import Attempt, Attempts, key_hash
from bailiwick_cli.echo.chat_wire import chat
from bailiwick_cli.echo.completions import complete
from bailiwick_cli.echo.embedding import embed
from bailiwick_cli.echo.images import draw
from bailiwick_cli.echo.moderations import moderate
from bailiwick_cli.echo.refusal import EchoError
from bailiwick_cli.echo.responses import respond
from bailiwick_cli.echo.spoken import Spoken
from bailiwick_cli.echo.temper import Temper, temper_of

MOST_BODY = 64 * 1024 * 1024
MODELS = ("echo", "echo-embedding", "echo-image", "echo-slow", "echo-503", "echo-429", "echo-mute")
ENDPOINTS: dict[str, Callable[[dict[str, Any]], Spoken]] = {
    "/v1/chat/completions": chat,
    "/v1/completions": complete,
    "/v1/embeddings": embed,
    "/v1/images/generations": draw,
    "/v1/moderations": moderate,
    "/v1/responses": respond,
}


@dataclass(slots=True)
class Request:
    """One call, read to its end."""

    method: str = ""
    path: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    keep_alive: bool = True


class Connection(asyncio.Protocol):
    """One client's connection: calls are answered one after the other."""

    def __init__(self, attempts: Attempts, *, clock: Callable[[], float]) -> None:
        self._attempts = attempts
        self._clock = clock
        self._parser = httptools.HttpRequestParser(self)
        self._request = Request()
        self._waiting: asyncio.Queue[Request] = asyncio.Queue()
        self._writable = asyncio.Event()
        self._writable.set()
        self._closed = asyncio.Event()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._task = asyncio.get_running_loop().create_task(self._serve())

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        """The client is gone: what is under way ends."""
        self._closed.set()
        self._writable.set()
        self._task.cancel()

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Bytes of a call."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    # What the parser calls.

    def on_message_begin(self) -> None:
        """A call begins."""
        self._request = Request()

    def on_url(self, url: bytes) -> None:
        """A part of its path."""
        self._request.path += url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._request.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """A part of its body."""
        self._request.body += body
        if len(self._request.body) > MOST_BODY:
            self._transport.close()

    def on_message_complete(self) -> None:
        """The call is read; it waits for its turn."""
        self._request.method = self._parser.get_method().decode()
        self._request.keep_alive = self._parser.should_keep_alive()
        self._request.path = self._request.path.partition("?")[0]
        self._waiting.put_nowait(self._request)

    # What we do.

    async def _serve(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                request = await self._waiting.get()
                await self._answer(request)
                if not request.keep_alive:
                    self._transport.close()
                    return

    async def _answer(self, request: Request) -> None:
        match request.method, request.path:
            case "GET", "/_echo/attempts":
                self._json(HTTPStatus.OK, self._attempts.listed())
            case "GET", "/_echo/counts":
                self._json(HTTPStatus.OK, self._attempts.counts())
            case "GET", "/v1/models":
                models = [
                    {"id": name, "object": "model", "created": 0, "owned_by": "bailiwick"}
                    for name in MODELS
                ]
                self._json(HTTPStatus.OK, {"object": "list", "data": models})
            case "POST", path if path in ENDPOINTS:
                await self._attempt(request)
            case _:
                missing = EchoError(
                    f"Unknown request: {request.method} {request.path}.",
                    status=HTTPStatus.NOT_FOUND,
                    code="unknown_url",
                )
                self._json(missing.status, missing.body())

    async def _attempt(self, request: Request) -> None:
        attempt = self._attempts.open(
            Attempt(
                id=f"echo-{uuid.uuid4().hex}",
                request_id=request.headers.get("x-request-id"),
                at=self._clock(),
                path=request.path,
                model="",
                stream=False,
                authorization=key_hash(request.headers),
            )
        )
        outcome = "hung_up"
        try:
            outcome = await self._obey(request, attempt)
        except EchoError as error:
            attempt.status = error.status
            outcome = "refused"
            retry = {"retry-after": "1"} if error.status == HTTPStatus.TOO_MANY_REQUESTS else {}
            self._json(error.status, error.body(), headers=retry)
        finally:
            self._attempts.close(attempt, outcome)

    async def _obey(self, request: Request, attempt: Attempt) -> str:
        body = _parsed(bytes(request.body))
        model = body.get("model")
        attempt.model = model if isinstance(model, str) else ""
        attempt.stream = body.get("stream") is True
        temper = temper_of(attempt.model)
        if temper.silent:
            await self._closed.wait()
            return "hung_up"
        if temper.status != HTTPStatus.OK:
            raise EchoError(
                f"Model {attempt.model} always answers {temper.status}.",
                status=temper.status,
                code="on_purpose",
            )
        return await self._say(ENDPOINTS[request.path](body), attempt, temper)

    async def _say(self, spoken: Spoken, attempt: Attempt, temper: Temper) -> str:
        as_what = {
            "identity": attempt.id, "created": int(attempt.at), "usage_shown": temper.usage,
        }  # fmt: skip
        attempt.prompt_tokens = spoken.input_tokens
        if spoken.events is None:
            await asyncio.sleep(temper.pause_s * spoken.steps)
            whole = spoken.whole(**as_what)
            attempt.status = HTTPStatus.OK
            attempt.completion_tokens = spoken.output_tokens
            if temper.dropping:
                self._write_half(whole)
                return "dropped"
            self._json(HTTPStatus.OK, whole)
            return "answered"
        attempt.status = HTTPStatus.OK
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
            b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        half = spoken.output_tokens // 2
        for count, event in spoken.events(**as_what):
            if temper.pause_s and count:
                await asyncio.sleep(temper.pause_s)
            await self._writable.wait()
            if self._closed.is_set():
                return "hung_up"
            if temper.dropping and count and attempt.completion_tokens >= half:
                self._transport.close()
                return "dropped"
            self._transport.write(b"%x\r\n%b\r\n" % (len(event), event))
            attempt.completion_tokens += count
        self._transport.write(b"0\r\n\r\n")
        return "answered"

    def _write_half(self, answer: dict[str, Any]) -> None:
        body = json.dumps(answer, separators=(",", ":")).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
        self._transport.write(head.encode() + b"\r\n\r\n" + body[: len(body) // 2])
        self._transport.close()

    def _json(
        self, status: int, answer: dict[str, Any], *, headers: dict[str, str] | None = None
    ) -> None:
        body = json.dumps(answer, separators=(",", ":")).encode()
        lines = [
            f"HTTP/1.1 {int(status)} {_phrase(status)}",
            "content-type: application/json",
            f"content-length: {len(body)}",
            *(f"{name}: {value}" for name, value in (headers or {}).items()),
        ]
        self._transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except ValueError as error:
        raise EchoError("The body is not valid JSON.") from error
    if not isinstance(parsed, dict):
        raise EchoError("The body must be a JSON object.")
    return parsed


async def start(*, host: str, port: int, clock: Callable[[], float] = time.time) -> asyncio.Server:
    """The provider listens; port 0 takes a free one.

    Raises:
        OSError: the port is taken.
    """
    attempts = Attempts()
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: Connection(attempts, clock=clock), host, port)
