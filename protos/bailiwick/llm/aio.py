"""A small asyncio client: connection, token and errors done right; requests are the messages.

async with connect("gateway.acme-prod.svc:8443", token=token_file(path)) as model:
    answer = await model.chat(pb.ChatRequest(model="fast", messages=[user("Hello")]))
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import grpc
import grpc.aio

from bailiwick.llm.refusal import RefusedError, refusal_of
from bailiwick.llm.v1 import llm_pb2 as pb
from bailiwick.llm.v1 import llm_pb2_grpc

if TYPE_CHECKING:
    from bailiwick.llm.v1.llm_pb2_grpc import LanguageModelAsyncStub

MAX_REQUEST: Final = 16 * 1024 * 1024
"""Bytes: what the gateway takes."""
MAX_ANSWER: Final = 64 * 1024 * 1024
_OPTIONS: Final = (
    ("grpc.max_send_message_length", MAX_REQUEST),
    ("grpc.max_receive_message_length", MAX_ANSWER),
    # Finds out within a minute and a half that a gateway is gone, and lets quiet streams live.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
)

Token = Callable[[], str]
"""Asked before each call, so that a token is renewed where its file is."""


def token_file(path: Path | str) -> Token:
    """The token in this file as it is at each call: a projected service-account token, say."""
    return lambda: Path(path).read_text(encoding="ascii").strip()


def user(text: str) -> pb.ChatMessage:
    """A user's message."""
    return pb.ChatMessage(role=pb.ROLE_USER, content=text)


@asynccontextmanager
async def connect(
    target: str,
    *,
    token: Token | str,
    tls: grpc.ChannelCredentials | None = None,
    plaintext: bool = False,
) -> AsyncIterator["LanguageModel"]:
    """A client of the gateway at `target` (HOST:PORT) while the block runs.

    The connection is encrypted and the server's certificate verified, by the system's authorities
    or as `tls` says. `plaintext` gives both up, and shows the token to everybody on the way: for
    loopback, and for a mesh that encrypts by itself.

    Raises:
        ValueError: both `tls` and `plaintext`.
    """
    if plaintext and tls is not None:
        raise ValueError("tls and plaintext exclude each other: drop one of them")
    channel = (
        grpc.aio.insecure_channel(target, options=_OPTIONS)
        if plaintext
        else grpc.aio.secure_channel(
            target, tls or grpc.ssl_channel_credentials(), options=_OPTIONS
        )
    )
    async with channel:
        yield LanguageModel(channel, token if callable(token) else lambda: token)


class LanguageModel:
    """The service's methods. `timeout` is in seconds; the whole call is cancelled after it.

    Each raises RefusedError where the call fails. Cancelling the task, or leaving a stream's loop
    and closing it (`aclosing`), ends the call at the provider too.
    """

    def __init__(self, channel: grpc.aio.Channel, token: Token) -> None:
        self._stub = cast("LanguageModelAsyncStub", llm_pb2_grpc.LanguageModelStub(channel))
        self._token = token

    async def chat(
        self,
        request: pb.ChatRequest,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 -- it travels with the call
        tags: Mapping[str, str] | None = None,
    ) -> pb.ChatResponse:
        """One answer, whole."""
        try:
            return await self._stub.Chat(request, metadata=self._metadata(tags), timeout=timeout)
        except grpc.aio.AioRpcError as error:
            raise RefusedError(refusal_of(error)) from error

    async def stream(
        self,
        request: pb.ChatRequest,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 -- it travels with the call
        tags: Mapping[str, str] | None = None,
    ) -> AsyncIterator[pb.ChatStreamResponse]:
        """One answer in pieces; the last has its usage."""
        call = self._stub.ChatStream(
            pb.ChatStreamRequest(chat=request), metadata=self._metadata(tags), timeout=timeout
        )
        try:
            async for piece in call:
                yield piece
        except grpc.aio.AioRpcError as error:
            raise RefusedError(refusal_of(error)) from error
        finally:
            call.cancel()

    async def embed(
        self,
        request: pb.EmbedRequest,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 -- it travels with the call
        tags: Mapping[str, str] | None = None,
    ) -> pb.EmbedResponse:
        """Vectors of texts."""
        try:
            return await self._stub.Embed(request, metadata=self._metadata(tags), timeout=timeout)
        except grpc.aio.AioRpcError as error:
            raise RefusedError(refusal_of(error)) from error

    async def models(self) -> list[pb.Model]:
        """What may stand in `model`."""
        try:
            answer = await self._stub.ListModels(pb.ListModelsRequest(), metadata=self._metadata())
        except grpc.aio.AioRpcError as error:
            raise RefusedError(refusal_of(error)) from error
        return list(answer.data)

    async def usage(self) -> pb.GetUsageResponse:
        """This caller's limits and their use."""
        try:
            return await self._stub.GetUsage(pb.GetUsageRequest(), metadata=self._metadata())
        except grpc.aio.AioRpcError as error:
            raise RefusedError(refusal_of(error)) from error

    def _metadata(self, tags: Mapping[str, str] | None = None) -> tuple[tuple[str, str], ...]:
        metadata = (("authorization", f"Bearer {self._token()}"),)
        if not tags:
            return metadata
        pairs = ",".join(f"{name}={value}" for name, value in tags.items())
        return (*metadata, ("x-bailiwick-tags", pairs))
