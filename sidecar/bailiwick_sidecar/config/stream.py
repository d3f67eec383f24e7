"""Configs from the operator's stream, and the agent's word on each; from a mount until it answers.

A gateway serves without the operator: what it has stays in force while it reconnects.
"""

import asyncio
import contextlib
import hashlib
import logging
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc

from bailiwick_contract.bounds import MAX_CONFIG_BYTES
from bailiwick_contract.compat import CONTRACT_VERSION, accepts
from bailiwick_contract.errors import BailiwickError
from bailiwick_contract.services import CONFIG_STREAM_PATH
from bailiwick_contract.v1.config_stream_pb2 import (
    Ack,
    ConfigUpdate,
    Dependency,
    KeyState,
    LimitUse,
    PodIdentity,
    Remainder,
    TypeState,
)
from bailiwick_contract.v1.tenant_config_pb2 import Credential
from bailiwick_sidecar.config.mount import read_mount
from bailiwick_sidecar.config.source import Update
from bailiwick_sidecar.config.status import Status
from bailiwick_sidecar.keyring import Degraded, KeyFact, KeyTrouble
from bailiwick_sidecar.limit_use import LimitUse as Use

log = logging.getLogger(__name__)

FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 5.0
"""Seconds between attempts to reach the operator: doubled each time, then jittered."""
STEADY: Final = 10.0
"""A stream that lived for so many seconds was good: the next attempt does not wait long."""
LONGEST_ERROR: Final = 2048

MOST_KEYS: Final = 200
"""Of which the operator hears; a config with more is told in part."""

STATES: Final = {
    KeyTrouble.MISSING: KeyState.STATE_MISSING,
    KeyTrouble.REVOKED: KeyState.STATE_REVOKED,
    KeyTrouble.UNAVAILABLE: KeyState.STATE_UNAVAILABLE,
    KeyTrouble.KEPT: KeyState.STATE_KEPT,
    KeyTrouble.AGING: KeyState.STATE_AGING,
    KeyTrouble.TOO_OLD: KeyState.STATE_TOO_OLD,
}

OPTIONS: Final = (
    ("grpc.max_receive_message_length", MAX_CONFIG_BYTES + 4096),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 0),
)


class TrustError(BailiwickError):
    """The operator's CA or the pod's own token can't be read."""


@dataclass(frozen=True, slots=True)
class Operator:
    """Where the operator is and how both sides prove who they are.

    `ca` and `token` are read at each connection: both are renewed while the pod runs.
    """

    address: str
    ca: Path
    token: Path
    pod: PodIdentity


class StreamConfigSource:
    """Configs as the operator has them; `run` keeps the stream, `write` takes the agent's word."""

    def __init__(
        self,
        operator: Operator,
        *,
        mount: Path,
        rng: random.Random,
    ) -> None:
        """`mount` holds `acked/` and `current/`; `rng` spreads the reconnecting."""
        self._operator = operator
        self._rng = rng
        self._newest: Update | None = read_mount(mount)
        self._mount = mount
        self._handed: Update | None = None
        self._arrived = asyncio.Event()
        self._word = Ack(pod=operator.pod)
        self._changed = asyncio.Event()
        self.connected = False

    # --- what the agent reads (ConfigSource) ---

    def read(self) -> Update | None:
        """The newest config that was not read before."""
        if self._newest is None:
            self._newest = read_mount(self._mount)
        newest = self._newest
        if newest is None or newest == self._handed:
            return None
        self._handed = newest
        return newest

    async def updates(self) -> AsyncIterator[Update]:
        """Each newer config; a slow reader gets the newest only."""
        while True:
            update = self.read()
            if update is not None:
                yield update
            self._arrived.clear()
            if self._newest is None or self._newest == self._handed:
                await self._arrived.wait()

    # --- what the agent says ---

    def write(self, status: Status) -> None:
        """Tell the operator how the newest config fares."""
        handed = self._handed
        digest = hashlib.sha256(handed.data).hexdigest() if handed else ""
        if handed is None or status.sequence != handed.sequence:
            return
        self._say(acknowledgement(status, digest=digest, pod=self._operator.pod))

    def _say(self, word: Ack) -> None:
        if word != self._word:
            self._word = word
            self._changed.set()

    # --- the stream ---

    async def run(self) -> None:
        """Keep a stream to the operator until cancelled."""
        pause = FIRST_PAUSE
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await self._stream()
                reason = "the operator ended it"
            except grpc.aio.AioRpcError as error:
                reason = f"{error.code().name}: {error.details()}"
            except TrustError as error:
                reason = str(error)
            finally:
                self.connected = False
            if loop.time() - began > STEADY:
                pause = FIRST_PAUSE
            wait = pause * self._rng.uniform(0.5, 1.5)
            log.warning("event=config_stream_lost retry_s=%.1f reason=%r", wait, reason)
            pause = min(LONGEST_PAUSE, pause * 2)
            await asyncio.sleep(wait)

    async def _stream(self) -> None:
        credentials = grpc.ssl_channel_credentials(_read(self._operator.ca))
        token = _read(self._operator.token).decode().strip()
        async with grpc.aio.secure_channel(
            self._operator.address, credentials, options=OPTIONS
        ) as channel:
            call = channel.stream_stream(
                CONFIG_STREAM_PATH,
                request_serializer=Ack.SerializeToString,
                response_deserializer=ConfigUpdate.FromString,
            )(metadata=(("authorization", f"Bearer {token}"),))
            speaking = asyncio.create_task(self._speak(call))
            try:
                async for update in call:
                    if not self.connected:
                        self.connected = True
                        log.info("event=config_stream_open operator=%s", self._operator.address)
                    self._take(update)
            finally:
                speaking.cancel()
                with contextlib.suppress(asyncio.CancelledError, grpc.aio.AioRpcError):
                    await speaking

    async def _speak(self, call: "grpc.aio.StreamStreamCall[Any, ConfigUpdate]") -> None:
        """Send the agent's word now, and whenever it changes."""
        while True:
            self._changed.clear()
            await call.write(self._word)
            await self._changed.wait()

    def _take(self, update: ConfigUpdate) -> None:
        refusal = ""
        if not accepts(update.contract_version):
            refusal = (
                f"the config has contract version {update.contract_version}, this gateway speaks"
                f" {CONTRACT_VERSION}: bring both to the same release"
            )
        elif hashlib.sha256(update.config).hexdigest() != update.digest:
            refusal = "the config is not the one that its digest names: it was changed on the way"
        if refusal:
            log.error("event=config_refused sequence=%d reason=%r", update.sequence, refusal)
            self._say(
                Ack(
                    sequence=update.sequence,
                    digest=update.digest,
                    error=refusal,
                    pod=self._operator.pod,
                )
            )
            return
        self._newest = Update(update.sequence, update.config)
        self._arrived.set()


def acknowledgement(status: Status, *, digest: str, pod: PodIdentity) -> Ack:
    """The agent's state as its word on the newest config that came, which has this digest.

    Envoy's own words are with the one type "*": the agent serves all types of a config or none.
    """
    word = Ack(sequence=status.sequence, digest=digest, pod=pod)
    word.keys.extend(_key_state(one) for one in status.keys[:MOST_KEYS])
    word.degraded.extend(_dependency(one) for one in status.degraded)
    word.limits.extend(_limit_use(one) for one in status.limits)
    if (left := status.remainder) is not None:
        word.remainder.CopyFrom(
            Remainder(
                in_flight=left.in_flight, shipped=left.shipped, rows=left.rows, place=left.place
            )
        )
    if digest != status.desired:
        word.error = status.error[:LONGEST_ERROR]
        return word
    if status.error:
        state = TypeState.STATE_NACKED
    elif status.acked == status.desired:
        state = TypeState.STATE_ACKED
    else:
        state = TypeState.STATE_PENDING
    word.types.append(TypeState(type_url="*", state=state, error=status.error[:LONGEST_ERROR]))
    return word


def _key_state(fact: KeyFact) -> KeyState:
    return KeyState(
        credential=Credential(mount=fact.ref.mount, path=fact.ref.path, key=fact.ref.field),
        state=STATES[fact.trouble],
        reason=fact.reason,
        since=fact.since,
        message=fact.message[:LONGEST_ERROR],
    )


def _dependency(fact: Degraded) -> Dependency:
    return Dependency(
        dependency=fact.dependency,
        reason=fact.reason,
        since=fact.since,
        message=fact.message[:LONGEST_ERROR],
    )


def _limit_use(use: Use) -> LimitUse:
    return LimitUse(
        limit_id=use.limit,
        amount=use.amount,
        used=use.used,
        left=use.left,
        percent=use.percent,
        resets_at=use.resets_at,
        exhausted_at=use.exhausted_at,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TrustError(f"{path} can't be read ({error.strerror}): is it mounted?") from error
