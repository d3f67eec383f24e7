"""A call of the LanguageModel service, carried out as an HTTP call through Envoy."""

import asyncio
import logging
import traceback
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Final

import orjson
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import BadRequest

from bailiwick.llm.v1 import llm_pb2 as pb
from bailiwick_sidecar.llm_grpc import deadline, trailing
from bailiwick_sidecar.llm_grpc.events import Events, EventTooLargeError
from bailiwick_sidecar.llm_grpc.framing import frame
from bailiwick_sidecar.llm_grpc.http_client import EnvoyClient, Exchange
from bailiwick_sidecar.llm_grpc.mapping.answers import chat_stream_response
from bailiwick_sidecar.llm_grpc.mapping.loose import UnmappableError
from bailiwick_sidecar.llm_grpc.method import Method
from bailiwick_sidecar.llm_grpc.refusals import CLIENT_ERROR, refusal
from bailiwick_sidecar.llm_grpc.rpc import Incoming, Open, Reply
from bailiwick_sidecar.llm_grpc.status import OK, Code, Status, failure

FORWARDED: Final = ("authorization", "x-bailiwick-tags", "x-request-id", "idempotency-key")
"""What of a call's metadata goes on; the id is Envoy's own."""
EVENT_STREAM: Final = "text/event-stream"
MAX_ANSWER: Final = 64 * 1024 * 1024
"""Bytes of a whole answer that are held at once."""
DONE: Final = b"[DONE]"

log = logging.getLogger(__name__)


def opening(method: Method, client: EnvoyClient) -> Open:
    """What opens calls of this method."""
    kind = StreamCall if method.streams else UnaryCall
    return lambda incoming, reply: kind(method, client, incoming, reply)


class HttpCall(ABC):
    """One call from its message to its status; subclasses say what is made of the answer."""

    def __init__(
        self, method: Method, client: EnvoyClient, incoming: Incoming, reply: Reply
    ) -> None:
        self._method = method
        self._client = client
        self._incoming = incoming
        self._reply = reply
        self._message: bytes | None = None
        self._exchange: Exchange | None = None
        self._status = 0
        self._headers: Mapping[str, str] = {}
        self._pieces: list[bytes] = []
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None
        wait = deadline.seconds(incoming.headers.get("grpc-timeout"))
        if wait is not None:
            self._timer = asyncio.get_running_loop().call_later(wait, self._late)

    # --- the caller ---

    def message(self, data: bytes) -> None:
        """The request: there is exactly one."""
        if self._message is not None:
            self._fail(failure(Code.INTERNAL, "bad_message", "The call takes one message."))
            return
        self._message = data

    def half_closed(self) -> None:
        """The request is complete: send it on."""
        if self._message is None:
            self._fail(failure(Code.INTERNAL, "bad_message", "The call came without a message."))
            return
        method = self._method
        try:
            body = method.write(method.request.FromString(self._message))
        except DecodeError:
            name = method.request.DESCRIPTOR.full_name
            self._fail(
                failure(Code.INTERNAL, "bad_message", f"The message is no {name}: use its stubs.")
            )
        except UnmappableError as error:
            self._fail(_unmappable(error))
        else:
            self._message = b""
            self._exchange = self._client.send(self._request(body), self)

    def gone(self) -> None:
        """The caller left: Envoy is to see that, so that the attempt ends and is accounted for."""
        self._forget_deadline()
        if self._exchange is not None:
            self._exchange.cancel()

    def writable(self, *, ready: bool) -> None:
        """A slow caller slows its provider down."""
        if self._exchange is not None:
            self._exchange.flow(ready=ready)

    def _request(self, body: bytes) -> bytes:
        said = self._incoming.headers
        lines = [f"{self._method.verb} {self._method.path} HTTP/1.1\r\nhost: gateway\r\n"]
        lines += [f"{name}: {said[name]}\r\n" for name in FORWARDED if name in said]
        if self._method.verb == "POST":
            lines.append(f"content-type: application/json\r\ncontent-length: {len(body)}\r\n")
        lines.append("\r\n")
        return "".join(lines).encode("latin-1") + body

    # --- the answer ---

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """Status and headers of the answer."""
        self._status, self._headers = status, headers

    def body(self, data: bytes) -> None:
        """Part of the answer."""
        try:
            self._take(data)
        except Exception as error:  # noqa: BLE001 -- a mistake here ends this call, and no other
            self._broken(error)

    def complete(self) -> None:
        """The answer is whole."""
        try:
            self._conclude()
        except Exception as error:  # noqa: BLE001 -- a mistake here ends this call, and no other
            self._broken(error)

    @abstractmethod
    def _conclude(self) -> None:
        """Answer the caller: all has come."""

    def _take(self, data: bytes) -> None:
        """Keep it until the answer is whole."""
        self._size += len(data)
        if self._size > MAX_ANSWER:
            self._fail(_unusable("is larger than 64 MiB"))
            return
        self._pieces.append(data)

    def lost(self) -> None:
        """Envoy broke the answer off, or can't be reached."""
        if self._status:
            message = "The provider broke its answer off."
            self._end(failure(Code.UNAVAILABLE, "upstream_unavailable", message))
        else:
            message = "The gateway is starting or has just restarted. Try again in a second."
            self._end(failure(Code.UNAVAILABLE, "gateway_unavailable", message))

    def _refused(self) -> None:
        method = self._method
        self._end(
            refusal(
                self._status,
                self._headers,
                b"".join(self._pieces),
                fields=method.fields,
                prefix=method.prefix,
            )
        )

    # --- the end ---

    def _late(self) -> None:
        message = "The caller's deadline has passed."
        self._fail(failure(Code.DEADLINE_EXCEEDED, "deadline_exceeded", message))

    def _broken(self, error: Exception) -> None:
        where = traceback.extract_tb(error.__traceback__)[-1]
        # Its text may hold some of the answer.
        log.error(
            "event=grpc_call_failed method=%s id=%s error=%s at=%s:%s",
            self._method.name,
            self._incoming.headers.get("x-request-id", ""),
            type(error).__name__,
            where.filename,
            where.lineno,
        )
        message = "The gateway failed on this call. Its log names the call's id."
        self._fail(failure(Code.INTERNAL, "gateway_error", message))

    def _fail(self, status: Status) -> None:
        self.gone()
        self._end(status)

    def _end(self, status: Status, usage: pb.Usage | None = None, *, frames: bytes = b"") -> None:
        self._forget_deadline()
        found = trailing.limits(self._headers)
        self._reply.end(
            status, found if usage is None else found + trailing.used(usage), frames=frames
        )

    def _forget_deadline(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class UnaryCall(HttpCall):
    """One answer, whole."""

    def _conclude(self) -> None:
        """Make the message of the JSON."""
        if self._status >= CLIENT_ERROR:
            self._refused()
            return
        try:
            said = orjson.loads(b"".join(self._pieces))
        except orjson.JSONDecodeError:
            said = None
        if not isinstance(said, dict):
            self._end(_unusable("is no JSON object"))
            return
        message = self._method.read(said)
        usage = getattr(message, "usage", None) if _has_usage(message) else None
        self._end(OK, usage, frames=frame(message.SerializeToString()))


class StreamCall(HttpCall):
    """One answer in pieces: a message for each event."""

    def __init__(
        self, method: Method, client: EnvoyClient, incoming: Incoming, reply: Reply
    ) -> None:
        super().__init__(method, client, incoming, reply)
        self._events = Events()
        self._streams = False
        self._usage: pb.Usage | None = None
        self._failure: Status | None = None

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """Status and headers of the answer."""
        super().head(status, headers)
        media = headers.get("content-type", "")
        self._streams = status < CLIENT_ERROR and media.startswith(EVENT_STREAM)

    def _take(self, data: bytes) -> None:
        """Send on what is whole."""
        if not self._streams:
            super()._take(data)
            return
        try:
            frames = [self._piece(event) for event in self._events.feed(data) if event != DONE]
        except EventTooLargeError:
            self._fail(_unusable("has an event larger than 16 MiB"))
            return
        self._reply.send(b"".join(frames))

    def _conclude(self) -> None:
        """The stream is over."""
        if self._status >= CLIENT_ERROR:
            self._refused()
        elif not self._streams:
            self._end(_unusable("does not come in pieces"))
        else:
            self._end(self._failure or OK, self._usage)

    def _piece(self, event: bytes) -> bytes:
        try:
            said = orjson.loads(event)
        except orjson.JSONDecodeError:
            said = None
        if not isinstance(said, dict):
            self._failure = _unusable("has an event that is no JSON object")
            return b""
        if "error" in said and "choices" not in said:
            self._failure = _interrupted(said, event)
            return b""
        message = chat_stream_response(said)
        if "usage" in said and _has_usage(message):
            self._usage = message.usage
        return frame(message.SerializeToString())


def _has_usage(message: Message) -> bool:
    return "usage" in message.DESCRIPTOR.fields_by_name and message.HasField("usage")


def _interrupted(said: Mapping[str, Any], event: bytes) -> Status:
    """A provider's error in the middle of a stream; its own idea of a status, where it has one."""
    error = said["error"]
    code = error.get("code") if isinstance(error, dict) else None
    status = code if isinstance(code, int) and 400 <= code < 600 else 502  # noqa: PLR2004 -- HTTP's error statuses
    return refusal(status, {}, event, fields=frozenset(), prefix="")


def _unmappable(error: UnmappableError) -> Status:
    message = f"{error.field or 'The message'} {error}."
    violation = BadRequest.FieldViolation(
        field=error.field, description=message, reason="invalid_value"
    )
    return failure(
        Code.INVALID_ARGUMENT,
        "invalid_value",
        message,
        more=[BadRequest(field_violations=[violation])],
    )


def _unusable(why: str) -> Status:
    return failure(Code.INTERNAL, "upstream_invalid", f"The provider's answer {why}.")
