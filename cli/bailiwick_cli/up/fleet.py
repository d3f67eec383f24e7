"""All gateways of one `up`: which there are, on which ports, with which config."""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bailiwick_cli.datadir import DataDir, write_atomically
from bailiwick_cli.errors import StartError
from bailiwick_cli.resources import config_bytes
from bailiwick_cli.up.child import Command, leashed
from bailiwick_cli.up.collecting import Collecting
from bailiwick_cli.up.gateway import Commands, Gateway, Place, place_of
from bailiwick_cli.up.ports import assign, busy, ensure_free
from bailiwick_cli.up.standin import HOST, StandIn
from bailiwick_contract.canon import digest
from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_sidecar.settings import ADMIN_SOCKET


@dataclass(slots=True)
class Fleet:
    """Gateways by namespace. `configs` is what each of them was told last."""

    data: DataDir
    first_port: int
    first_metrics_port: int
    secrets: Path | None
    say: Callable[[str], None]
    vault: tuple[str, ...] = ()
    """The agents' options for Vault."""
    collector: Collecting | None = None
    """Where rows go instead of a file."""
    gateways: dict[str, Gateway] = field(default_factory=dict)
    configs: dict[str, TenantConfig] = field(default_factory=dict)
    _ports: dict[str, int] = field(default_factory=dict)
    _metrics_ports: dict[str, int] = field(default_factory=dict)

    def sorted(self) -> list[Gateway]:
        """Gateways in alphabetical order of namespace."""
        return [self.gateways[namespace] for namespace in sorted(self.gateways)]

    async def add(self, wanted: Mapping[str, TenantConfig]) -> list[Gateway]:
        """These namespaces have gateways, which may not serve yet.

        Raises:
            PortError: a port is taken; nothing was started then.
            StartError: Envoy's bootstrap can't be written.
        """
        places = self._places(wanted)
        standins = self._standins(places)
        for place in places:
            write_atomically(place.config, config_bytes(wanted[place.namespace]))
        bootstrapped = asyncio.create_task(_bootstrap(places))
        added: list[Gateway] = []
        for place, standin in zip(places, standins, strict=True):
            gateway = Gateway(place, self._commands(place), standin=standin, say=self.say)
            self.gateways[place.namespace] = gateway
            self.configs[place.namespace] = wanted[place.namespace]
            await gateway.start_agent()
            added.append(gateway)
        for gateway, argv in zip(added, await bootstrapped, strict=True):
            gateway.start_envoy(Command(argv=argv, cwd=gateway.place.run))
        return added

    def tell(self, config: TenantConfig) -> bool:
        """The namespace's agent gets the config; False where it has that one already."""
        known = self.configs[config.namespace]
        if digest(known) == digest(config):
            return False
        write_atomically(self.gateways[config.namespace].place.config, config_bytes(config))
        self.configs[config.namespace] = config
        return True

    async def remove(self, namespaces: Sequence[str], *, hurry: asyncio.Event) -> None:
        """These namespaces are not served any more; their ports stay theirs."""
        leaving = [self.gateways.pop(namespace) for namespace in namespaces]
        for namespace in namespaces:
            del self.configs[namespace]
        await asyncio.gather(*(gateway.stop(hurry=hurry) for gateway in leaving))

    def _places(self, wanted: Mapping[str, TenantConfig]) -> list[Place]:
        self._ports = assign(wanted, first=self.first_port, taken=self._ports)
        self._metrics_ports = assign(
            wanted, first=self.first_metrics_port, taken=self._metrics_ports
        )
        for namespace in sorted(wanted):
            what = f"the gateway of {namespace}"
            ensure_free(self._ports[namespace], what=what, option="--port")
            metrics = f"the metrics of {namespace}"
            ensure_free(self._metrics_ports[namespace], what=metrics, option="--metrics-port")
        return [
            place_of(
                self.data,
                namespace=namespace,
                tenant=wanted[namespace].tenant,
                port=self._ports[namespace],
                metrics_port=self._metrics_ports[namespace],
            )
            for namespace in sorted(wanted)
        ]

    def _standins(self, places: Sequence[Place]) -> list[StandIn]:
        standins: list[StandIn] = []
        try:
            for place in places:
                standins.append(StandIn(place.port))
        except OSError as error:
            for standin in standins:
                standin.close()
            what = f"the gateway of {place.namespace}"
            raise busy(place.port, what=what, option="--port", error=error) from error
        return standins

    def _commands(self, place: Place) -> Commands:
        argv = [
            sys.executable, "-m", "bailiwick_sidecar",
            "--run-dir", ".",
            "--config", str(place.config),
            "--state-dir", str(place.state),
            "--ledgers", str(place.state.parent),
            "--listen", f"{HOST}:{place.port}",
            "--metrics", f"{HOST}:{place.metrics_port}",
        ]  # fmt: skip
        if self.secrets is not None:
            argv += ["--secrets", str(self.secrets)]
        argv += self.vault
        if self.collector is not None:
            argv += self.collector.options(place.namespace)
        return Commands(agent=Command(argv=tuple(argv), cwd=place.run), admin_socket=ADMIN_SOCKET)


async def _bootstrap(places: Sequence[Place]) -> list[tuple[str, ...]]:
    """Each place has its bootstrap file; the answer is how to start each Envoy on it."""
    wanted = [
        {
            "run": str(place.run),
            "node": f"{place.tenant}/{place.namespace}",
            "cluster": place.namespace,
        }
        for place in places
    ]
    program = (sys.executable, "-m", "bailiwick_cli.up.bootstrapping")
    process = await asyncio.create_subprocess_exec(
        *leashed(program),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    output, complaints = await process.communicate(json.dumps(wanted).encode())
    if process.returncode != 0:
        raise StartError(
            "Envoy's bootstrap can't be written: " + complaints.decode(errors="replace").strip()
        )
    return [tuple(argv) for argv in json.loads(output)]
