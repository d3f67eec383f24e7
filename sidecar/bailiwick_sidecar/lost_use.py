"""What the ledger knows of a store's counters: asked where the store has lost its own."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bailiwick_contract.errors import BailiwickError
from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_sidecar.quota.engine import Engine
from bailiwick_sidecar.quota.limits import CompiledLimits
from bailiwick_sidecar.quota.rebuilding import Part, Span, rebuilt, spans
from bailiwick_sidecar.shared.errors import StoreIncompleteError

if TYPE_CHECKING:
    from bailiwick_sidecar.ledger.totals import Totals


@dataclass(frozen=True, slots=True)
class LostUse:
    """Asks for the day and the month that go on, by the tenant's time zone and the store's clock.

    `config` is the newest, `totals` makes what answers: in a thread, since that may be slow.
    """

    engine: Engine
    clock: Callable[[], int]
    config: Callable[[], TenantConfig]
    totals: Callable[[TenantConfig], "Totals"]

    async def __call__(self) -> Mapping[Part, int]:
        """What each gateway used, counter by counter; nothing is asked where nothing is limited.

        Raises:
            StoreIncompleteError: the ledger can't say it now.
        """
        limits = self.engine.limits
        wanted = spans(limits, self.engine.at(self.clock()).calendar)
        return await asyncio.to_thread(self._used, wanted, limits) if wanted else {}

    def _used(self, wanted: Iterable[Span], limits: CompiledLimits) -> Mapping[Part, int]:
        config = self.config()
        found: dict[Part, int] = {}
        try:
            totals = self.totals(config)
            for span in wanted:
                found |= rebuilt(
                    span,
                    totals.since(span.since),
                    limits,
                    namespace=config.namespace,
                    currency=config.currency,
                )
        except BailiwickError as error:
            raise StoreIncompleteError(
                "the quota store has lost what gateways used that are gone, and the ledger can't"
                f" say it: {error}"
            ) from error
        return found
