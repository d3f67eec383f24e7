"""How one gateway's agent is started: what `bailiwick up` and a pod agree on with it."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bailiwick_contract.errors import BailiwickError
from bailiwick_sidecar.ledger.address import (
    CollectorAddress,
    add_collector_options,
    collector_of,
)
from bailiwick_sidecar.vault.options import add_vault_options, vault_of
from bailiwick_sidecar.vault.settings import VaultSettings

AGENT_SOCKET: Final = "agent.sock"
XDS_SOCKET: Final = "xds.sock"
GRPC_SOCKET: Final = "grpc.sock"
API_SOCKET: Final = "api.sock"
ADMIN_SOCKET: Final = "admin.sock"
USAGE_LOG: Final = "usage.log"
STATUS_FILE: Final = "status.json"


class SettingsError(BailiwickError):
    """An option that cannot be used; the message says which."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One gateway. The agent and Envoy are siblings and share `run_dir`.

    Whoever starts them makes `run_dir` and `state_dir` (mode 0700), starts both, and restarts
    whichever ends; the order does not matter. Both run with `run_dir` as working directory: a
    Unix socket's path may have 107 bytes, so sockets are named relative to it.
    """

    run_dir: Path
    """Sockets and records, new with each start of the machine: `agent.sock` (admission),
    `xds.sock` (ADS), `grpc.sock` (the gRPC API, for Envoy), `api.sock` (Envoy's, for calls that
    came by gRPC), `usage.log` (Envoy's records), `status.json` (the agent's state, replaced
    atomically; see config/status.py), `admin.sock` (Envoy's own)."""
    config: Path
    """The TenantConfig to serve, canonical bytes; its writer replaces it by rename."""
    state_dir: Path
    """What outlives restarts: `config.acked`, `jwks/`, `journal/`, `idempotency/`,
    `ledger.db`. Of one gateway."""
    listen_host: str
    listen_port: int
    """Where Envoy serves callers. The agent only tells Envoy so."""
    metrics_host: str
    metrics_port: int
    """Where the agent serves /metrics, /healthz and /readyz; port 0 takes a free one."""
    secrets: Path | None = None
    """Providers' keys (YAML, mode 0600), watched; without it only providers without keys serve."""
    vault: VaultSettings | None = None
    """Where keys are read instead."""
    secret_files: Path | None = None
    """A folder for each Secret that a pod mounts, for keys that are in none of these."""
    collector: CollectorAddress | None = None
    """Where ledger rows go instead of `ledger.db`."""
    ledgers: Path | None = None
    """A folder in which every gateway of this machine has its `state_dir`: their ledgers are read
    where a shared store has lost what gateways used that are gone."""
    settle_seconds: float = 5.0
    """How long the agent's end waits for the ledger to take the rows that it has not."""

    @property
    def acked_config(self) -> Path:
        """The last config that Envoy acknowledged."""
        return self.state_dir / "config.acked"

    @property
    def journal(self) -> Path:
        """The journal's directory."""
        return self.state_dir / "journal"

    @property
    def idempotency(self) -> Path:
        """The directory of hashes of idempotency keys."""
        return self.state_dir / "idempotency"

    @property
    def ledger(self) -> Path:
        """The embedded ledger's database."""
        return self.state_dir / "ledger.db"

    @property
    def jwks(self) -> Path:
        """Fetched key sets (public keys)."""
        return self.state_dir / "jwks"


def parse(arguments: list[str] | None = None) -> Settings:
    """The settings of a command line; paths become absolute.

    Raises:
        BailiwickError: an address that is none, or options that do not go together.
        SystemExit: an unknown or missing option, after the usage was printed.
    """
    parser = argparse.ArgumentParser(
        prog="python -m bailiwick_sidecar",
        description="The agent of one Bailiwick gateway; it serves Envoy, which serves callers.",
    )
    parser.add_argument("--run-dir", type=Path, required=True, help="sockets and Envoy's records")
    parser.add_argument("--config", type=Path, required=True, help="TenantConfig to serve")
    parser.add_argument("--state-dir", type=Path, required=True, help="journal, ledger, last good")
    parser.add_argument("--listen", default="127.0.0.1:8080", help="where Envoy serves callers")
    parser.add_argument("--metrics", default="127.0.0.1:9090", help="where the agent is scraped")
    parser.add_argument("--secrets", type=Path, help="providers' keys, YAML with mode 0600")
    parser.add_argument("--ledgers", type=Path, help="folder of this machine's state folders")
    add_vault_options(parser)
    add_collector_options(parser)
    said = parser.parse_args(arguments)
    vault = vault_of(said)
    if vault is not None and said.secrets:
        raise SettingsError("--secrets and --vault-address exclude each other: give one of them")
    listen_host, listen_port = _address(said.listen, option="--listen")
    metrics_host, metrics_port = _address(said.metrics, option="--metrics")
    return Settings(
        run_dir=said.run_dir.absolute(),
        config=said.config.absolute(),
        state_dir=said.state_dir.absolute(),
        listen_host=listen_host,
        listen_port=listen_port,
        metrics_host=metrics_host,
        metrics_port=metrics_port,
        secrets=said.secrets.absolute() if said.secrets else None,
        vault=vault,
        ledgers=said.ledgers.absolute() if said.ledgers else None,
        collector=collector_of(said),
    )


def _address(text: str, *, option: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdecimal()) or int(port) >= 2**16:
        raise SettingsError(f'{option} {text!r} is no address: write HOST:PORT, as "127.0.0.1:80"')
    return host, int(port)
