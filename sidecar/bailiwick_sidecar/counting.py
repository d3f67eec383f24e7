"""Where this gateway counts: in its own memory, or together with the tenant's other gateways."""

import asyncio
import importlib
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from prometheus_client.core import Metric

from bailiwick_contract.errors import BailiwickError
from bailiwick_contract.v1.tenant_config_pb2 import Credential, TenantConfig
from bailiwick_sidecar.config.accept import Accepted
from bailiwick_sidecar.config.files import replace_file
from bailiwick_sidecar.keyring import Degraded
from bailiwick_sidecar.quota import model
from bailiwick_sidecar.quota.engine import Engine
from bailiwick_sidecar.quota.memory import MemoryStore
from bailiwick_sidecar.secrets import KeyRef, KeySource
from bailiwick_sidecar.settings import Settings

REPLICA_FILE: Final = "replica"


class StoreChangedError(BailiwickError):
    """The tenant counts elsewhere now: the agent has to start anew, which takes a second."""


class Counting(Protocol):
    """A gateway's counters with what they need to live."""

    engine: Engine
    clock: Callable[[], int]

    @property
    def store(self) -> model.QuotaStore:
        """What admission and accounting work with."""
        ...

    async def begin(self) -> None:
        """Learn what time it is, where that is not this host's own business."""
        ...

    async def run(self) -> None:
        """Keep in touch with the others until cancelled."""
        ...

    async def close(self) -> None:
        """Tell the others the last."""
        ...

    def obey(self, config: TenantConfig) -> None:
        """Count by this config from now on.

        Raises:
            StoreChangedError: that needs a new start.
        """
        ...

    def degraded(self) -> tuple[Degraded, ...]:
        """What is not as it should be."""
        ...

    def figures(self) -> Iterable[Metric]:
        """What a scrape should say."""
        ...


class CountingAlone:
    """Counters in this process: there is no other gateway of the tenant."""

    def __init__(self, first: Accepted) -> None:
        self.engine = Engine(first.limits, first.time_zone)
        self.store = MemoryStore(self.engine)
        self.clock: Callable[[], int] = now_ms

    async def begin(self) -> None:
        """The host's time will do."""

    async def run(self) -> None:
        """There are no others."""
        await asyncio.get_running_loop().create_future()

    async def close(self) -> None:
        """There are no others."""

    def obey(self, config: TenantConfig) -> None:
        """Go on, unless there is a shared store now."""
        if config.HasField("quota_store"):
            raise StoreChangedError(
                "the tenant has a shared quota store now: this agent ends, the next counts there"
            )

    def degraded(self) -> tuple[Degraded, ...]:
        """Nothing can be."""
        return ()

    def figures(self) -> Iterable[Metric]:
        """None."""
        return ()


@dataclass(frozen=True, slots=True)
class Counted:
    """How a gateway begins to count."""

    keys: KeySource
    settings: Settings

    def by(self, first: Accepted) -> Counting:
        """The counting that this config asks for."""
        if not first.config.HasField("quota_store"):
            return CountingAlone(first)
        # Redis' client takes a while to import: only who has such a store waits for it.
        together = importlib.import_module("bailiwick_sidecar.counting_together")
        counting: Counting = together.CountingTogether(
            first,
            keys=self.keys,
            replica=replica_id(self.settings.state_dir),
            settings=self.settings,
        )
        return counting


def now_ms() -> int:
    """The wall clock in ms since the epoch."""
    return time.time_ns() // 1_000_000


def password_of(config: TenantConfig) -> KeyRef | None:
    """Where the store's password is; None: it asks for none."""
    said = config.quota_store.credential
    if said.type != Credential.TYPE_VAULT:
        return None
    return KeyRef(said.mount, said.path, said.key)


def replica_id(state_dir: Path) -> str:
    """What the store knows this gateway by, for as long as its journal lives."""
    file = state_dir / REPLICA_FILE
    try:
        found = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        found = ""
    if not found.isalnum():
        found = secrets.token_hex(8)
        replace_file(file, found.encode() + b"\n")
    return found
