"""The config stream: who calls, what they get, and what they say of it."""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator

import grpc

from bailiwick_contract.services import CONFIG_STREAM_METHOD, CONFIG_STREAM_SERVICE
from bailiwick_contract.v1.config_stream_pb2 import Ack, ConfigUpdate
from bailiwick_operator.kube.model import KubeError, TokenReviewer
from bailiwick_operator.publish.acks import AckBoard, read_ack
from bailiwick_operator.publish.hub import Hub, Published, Version
from bailiwick_operator.publish.identity import (
    GatewayPod,
    NotAGatewayError,
    UnauthenticatedError,
    identify,
)

log = logging.getLogger(__name__)

REVIEWS_AT_ONCE = 32
"""Bounds what a crowd of reconnecting agents asks of the API server at the same time."""

FIRST_WORD_S = 10.0
"""An agent that says nothing for this long after it connected is cut off."""


class ConfigStreamService:
    """Serves each gateway pod the newest config of its own namespace."""

    def __init__(
        self,
        *,
        hub: Hub,
        acks: AckBoard,
        reviewer: TokenReviewer,
        audience: str,
        service_account: str,
        max_age_s: float = 1800.0,
        rng: random.Random | None = None,
    ) -> None:
        """`max_age_s` bounds how long a stream lives on one review of its token (plus 20 %)."""
        self._hub = hub
        self._acks = acks
        self._reviewer = reviewer
        self._audience = audience
        self._service_account = service_account
        self._max_age_s = max_age_s
        self._rng = rng or random.Random()  # noqa: S311 - spreads load, protects nothing
        self._reviews = asyncio.Semaphore(REVIEWS_AT_ONCE)
        self.streams = 0

    def handlers(self) -> grpc.GenericRpcHandler:
        """What a server adds to serve this."""
        method = grpc.stream_stream_rpc_method_handler(
            self.stream,
            request_deserializer=Ack.FromString,
            response_serializer=ConfigUpdate.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(
            CONFIG_STREAM_SERVICE, {CONFIG_STREAM_METHOD: method}
        )

    async def stream(
        self, words: AsyncIterator[Ack], context: grpc.aio.ServicerContext[Ack, ConfigUpdate]
    ) -> AsyncIterator[ConfigUpdate]:
        """One agent's stream; ends by itself so that no token is trusted for ever."""
        pod = await self._identify(context)
        try:
            first = await asyncio.wait_for(anext(words), FIRST_WORD_S)
        except (TimeoutError, StopAsyncIteration):
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT, "the first message says what the agent serves"
            )
        # One that serves the newest config already is sent none: this tells it that it is heard.
        await context.send_initial_metadata(())
        self._hear(pod, first)
        log.info("stream opened namespace=%s pod=%s", pod.namespace, pod.name)
        self.streams += 1
        listening = asyncio.create_task(self._listen(pod, words))
        updates = self._hub.subscribe(
            pod.namespace, after=Version(sequence=first.sequence, digest=first.digest)
        )
        age = self._max_age_s * self._rng.uniform(0.8, 1.2)
        try:
            async with asyncio.timeout(age):
                async for published in updates:
                    yield _message(published)
        except TimeoutError:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "come back with a fresh token")
        finally:
            self.streams -= 1
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening
            log.info("stream closed namespace=%s pod=%s", pod.namespace, pod.name)
        await context.abort(
            grpc.StatusCode.UNAVAILABLE, f"namespace {pod.namespace} has no tenant any more"
        )

    async def _identify(self, context: grpc.aio.ServicerContext[Ack, ConfigUpdate]) -> GatewayPod:
        metadata = dict(context.invocation_metadata() or ())
        authorization = metadata.get("authorization", "")
        try:
            async with self._reviews:
                return await identify(
                    authorization if isinstance(authorization, str) else "",
                    reviewer=self._reviewer,
                    audience=self._audience,
                    service_account=self._service_account,
                )
        except UnauthenticatedError as error:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, str(error))
        except NotAGatewayError as error:
            log.warning("stream refused peer=%s error=%r", context.peer(), str(error))
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, str(error))
        except KubeError as error:
            log.warning("stream postponed peer=%s error=%r", context.peer(), str(error))
            await context.abort(
                grpc.StatusCode.UNAVAILABLE, "the API server can't review the token now"
            )

    async def _listen(self, pod: GatewayPod, words: AsyncIterator[Ack]) -> None:
        async for ack in words:
            self._hear(pod, ack)

    def _hear(self, pod: GatewayPod, ack: Ack) -> None:
        self._acks.record(namespace=pod.namespace, uid=pod.uid, ack=read_ack(ack, pod=pod.name))


def _message(published: Published) -> ConfigUpdate:
    return ConfigUpdate(
        contract_version=published.contract_version,
        sequence=published.version.sequence,
        digest=published.version.digest,
        config=published.config,
    )
