"""The agent in a pod: its configs come from the operator, which hears how each fares."""

import asyncio
import contextlib
import os
import random
import signal

from bailiwick_contract.v1.config_stream_pb2 import PodIdentity
from bailiwick_sidecar.app import Agent
from bailiwick_sidecar.config.status import Status
from bailiwick_sidecar.config.stream import Operator, StreamConfigSource
from bailiwick_sidecar.pod.environment import Environment
from bailiwick_sidecar.settings import Settings


class PodAgent(Agent):
    """An agent that tells the operator what it tells its status file."""

    def __init__(self, settings: Settings, *, stream: StreamConfigSource) -> None:
        super().__init__(settings, source=stream)
        self._stream = stream

    def _write_status(self) -> None:
        super()._write_status()
        state = self._readiness()
        self._stream.write(
            Status.of(
                self._store,
                reasons=state.reasons,
                warnings=state.warnings,
                degraded=self._away(),
                keys=self._keys.facts(),
                limits=self._limit_uses(),
                remainder=self._remainder(),
            )
        )


def settings_of(environment: Environment) -> Settings:
    """The agent's settings in this pod: it listens to the pod's network, not to loopback."""
    return Settings(
        run_dir=environment.run_dir,
        config=environment.config_dir / "current" / "config.pb",
        state_dir=environment.data_dir,
        listen_host="0.0.0.0",  # noqa: S104 - the pod's own address; network policies guard it
        listen_port=environment.http_port,
        metrics_host="0.0.0.0",  # noqa: S104 - as above
        metrics_port=environment.metrics_port,
        secrets=None,
        vault=environment.vault,
        secret_files=environment.secret_files,
        collector=environment.collector,
        settle_seconds=environment.settle_seconds,
    )


async def run_agent(environment: Environment) -> None:
    """Serve until SIGTERM, which kubelet sends after Envoy ended."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    settings = settings_of(environment)
    os.chdir(settings.run_dir)
    stream = StreamConfigSource(
        Operator(
            address=environment.operator_address,
            ca=environment.operator_ca,
            token=environment.operator_token,
            pod=PodIdentity(name=environment.pod_name, uid=environment.pod_uid),
        ),
        mount=environment.config_dir,
        rng=random.Random(),  # noqa: S311 - spreads reconnecting, protects nothing
    )
    streaming = asyncio.create_task(stream.run())
    try:
        agent = PodAgent(settings, stream=stream)
        loop.add_signal_handler(signal.SIGHUP, agent.look_for_keys)
        await agent.run(stop)
    finally:
        streaming.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await streaming
