"""One namespace's gateway: its agent, its Envoy, and who answers while they start."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from bailiwick_cli.datadir import DataDir, private_dir
from bailiwick_cli.errors import StartError
from bailiwick_cli.up import admin
from bailiwick_cli.up.agent_status import read_status
from bailiwick_cli.up.child import Child, Command
from bailiwick_cli.up.output import OutputLog
from bailiwick_cli.up.standin import StandIn
from bailiwick_sidecar.settings import STATUS_FILE

POLL_S = 0.05
WATCH_S = 0.5
DEATHS_BEFORE_GIVING_UP = 3
DRAIN_S = 30.0
AGENT_GRACE_S = 10.0
ENVOY_GRACE_S = 3.0


class State(Enum):
    """What a caller of the gateway meets."""

    STARTING = "starting"
    SERVING = "serving"
    RECOVERING = "recovering"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a gateway is: its names, ports and folders."""

    namespace: str
    tenant: str
    port: int
    metrics_port: int
    run: Path
    state: Path
    config: Path
    logs: Path


@dataclass(frozen=True, slots=True)
class Commands:
    """How the agent is started, and the name of Envoy's admin socket in `run`."""

    agent: Command
    admin_socket: str


class Gateway:
    """Keeps the two processes of one namespace alive, and says how they are.

    `say` gets one line for a person whenever something changes.
    """

    def __init__(
        self, place: Place, commands: Commands, *, standin: StandIn, say: Callable[[str], None]
    ) -> None:
        self.place = place
        self.state = State.STARTING
        self._commands = commands
        self._standin = standin
        self._say = say
        self._logs = {
            part: OutputLog(place.logs / f"{place.namespace}.{part}.log")
            for part in ("agent", "envoy")
        }
        self._deaths = dict.fromkeys(self._logs, 0)
        self._agent = self._child("agent", commands.agent)
        self._envoy: Child | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._poke = asyncio.Event()
        self._status_path = place.run / STATUS_FILE
        self._said: set[str] = set()

    def _child(self, part: str, command: Command) -> Child:
        return Child(command, log=self._logs[part], watcher=_Part(self, part))

    @property
    def agent_pid(self) -> int | None:
        """The agent's process, where it runs."""
        return self._agent.pid

    @property
    def envoy_pid(self) -> int | None:
        """Envoy's process, where it runs."""
        return None if self._envoy is None else self._envoy.pid

    async def start_agent(self) -> None:
        """The port answers from here on, with 503 until the gateway serves."""
        await self._standin.start()
        self._tasks.append(asyncio.create_task(self._agent.run()))
        self._tasks.append(asyncio.create_task(self._observe()))

    def start_envoy(self, command: Command) -> None:
        """Envoy runs, and is kept running."""
        self._envoy = self._child("envoy", command)
        self._tasks.append(asyncio.create_task(self._envoy.run()))

    async def wait_serving(self, *, seconds: float) -> bool:
        """True once it serves, False where it does not within the time.

        Raises:
            StartError: one of its processes dies again and again; the message ends with what it
                said last.
        """
        end = asyncio.get_running_loop().time() + seconds
        while self.state is not State.SERVING:
            for part, deaths in self._deaths.items():
                if deaths >= DEATHS_BEFORE_GIVING_UP:
                    log = self._logs[part]
                    raise StartError(
                        f"the {part} of {self.place.namespace} does not start; "
                        f"all that it said is in {log.path}, its last words are:\n{log.tail()}"
                    )
            if asyncio.get_running_loop().time() > end:
                return False
            await asyncio.sleep(POLL_S)
        return True

    async def _observe(self) -> None:
        """Keep `state` true. A caller's view: what the port answers to /readyz."""
        while True:
            answer = await admin.port(self.place.port, target="/readyz")
            serving = answer is not None and answer.status == 200  # noqa: PLR2004  plain HTTP
            if self.state is State.STOPPING:
                return
            if serving and self.state is not State.SERVING:
                if self.state is State.RECOVERING:
                    self._say(f"{self.place.namespace}: serves again")
                self.state = State.SERVING
                self._deaths = dict.fromkeys(self._deaths, 0)
                self._agent.healthy()
                if self._envoy is not None:
                    self._envoy.healthy()
            elif not serving and self.state is State.SERVING:
                self.state = State.RECOVERING
            pause = WATCH_S if self.state is State.SERVING else POLL_S
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._poke.wait(), pause)
            self._poke.clear()

    def died(self, part: str, code: int) -> None:
        """Called when a process ended by itself."""
        self._deaths[part] += 1
        if self.state is State.SERVING:
            self.state = State.RECOVERING
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        log = self._logs[part].path
        self._say(f"{self.place.namespace}: the {part} {how}; starting it again (log: {log})")
        self._poke.set()

    def reasons(self) -> tuple[str, ...]:
        """Why it does not serve, as its agent says."""
        return read_status(self._status_path).reasons

    def report_config(self) -> None:
        """Say once what the agent has against the newest config, and what does not work."""
        status = read_status(self._status_path)
        for word in (status.error, *status.warnings):
            if word and word not in self._said:
                self._say(f"{self.place.namespace}: {word}")
        self._said = {status.error, *status.warnings}

    async def drain(self, *, hurry: asyncio.Event) -> None:
        """Requests under way have ended, or `hurry` is set, or 30 s are over."""
        self.state = State.STOPPING
        for target in ("/healthcheck/fail", "/drain_listeners"):
            await self._admin("POST", target)
        end = asyncio.get_running_loop().time() + DRAIN_S
        told = False
        while not hurry.is_set() and asyncio.get_running_loop().time() < end:
            active = await admin.active_requests(self.place.run, self._commands.admin_socket)
            if not active:
                return
            if not told:
                told = True
                self._say(
                    f"{self.place.namespace}: waiting for requests under way: {active} "
                    f"(at most {DRAIN_S:.0f} s; Ctrl-C again stops at once)"
                )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(hurry.wait(), POLL_S)

    async def _admin(self, method: str, target: str) -> None:
        with contextlib.suppress(OSError):
            await admin.admin(
                self.place.run, self._commands.admin_socket, method=method, target=target
            )

    async def stop(self, *, hurry: asyncio.Event) -> None:
        """Neither process runs; the agent has settled what Envoy recorded."""
        self.state = State.STOPPING
        if self._envoy is not None:
            await self.drain(hurry=hurry)
            # Envoy first: it writes its last records when it ends, and the agent reads them.
            await self._envoy.stop(grace_s=ENVOY_GRACE_S)
        await self._agent.stop(grace_s=AGENT_GRACE_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._standin.close()
        for log in self._logs.values():
            log.close()


class _Part:
    """Tells the gateway which of its processes something happened to."""

    def __init__(self, gateway: Gateway, part: str) -> None:
        self._gateway = gateway
        self._part = part

    def started(self, pid: int) -> None:
        pass

    def died(self, code: int) -> None:
        self._gateway.died(self._part, code)


def place_of(data: DataDir, *, namespace: str, tenant: str, port: int, metrics_port: int) -> Place:
    """The gateway's place; its folders are there, open to their owner alone."""
    return Place(
        namespace=namespace,
        tenant=tenant,
        port=port,
        metrics_port=metrics_port,
        run=private_dir(data.run(namespace)),
        state=private_dir(data.state(namespace)),
        config=data.config(namespace),
        logs=private_dir(data.logs),
    )
