"""A store's loss made good: what the ledger has of gateways that can't tell it any more."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from bailiwick_sidecar.quota.rebuilding import Part
from bailiwick_sidecar.shared.errors import StoreIncompleteError

PATIENCE: Final = 3.0
"""Seconds without an answer of the ledger after which the tenant's policy decides."""
BACKOFF: Final = (0.25, 5.0)
"""Seconds after the first failure, and at most."""

log = logging.getLogger(__name__)

Lost = Callable[[], Awaitable[Mapping[Part, int]]]
"""What gateways used of the periods that go on, by the ledger; raises StoreIncompleteError."""


class Rebuild:
    """Asks the ledger once for each loss, and again for as long as it does not answer."""

    def __init__(self, lost: Lost, monotonic: Callable[[], float]) -> None:
        """Nothing was lost yet."""
        self.times = 0
        """How many losses were made good."""
        self.raised = 0
        """How many amounts the store had lost for good without it."""
        self.failures = 0
        """How often the ledger could not be asked."""
        self._lost = lost
        self._monotonic = monotonic
        self._loss = ""
        self._task: asyncio.Task[Mapping[Part, int]] | None = None
        self._began = 0.0
        self._error: StoreIncompleteError | None = None

    @property
    def under_way(self) -> bool:
        """True while something is missing."""
        return self._task is not None

    def begin(self, loss: str) -> None:
        """Ask what is missing since this loss, unless that is being asked."""
        if self._task is not None and self._loss == loss:
            return
        self.stop()
        log.warning("event=quota_store_incomplete loss=%s", loss)
        self._loss, self._began = loss, self._monotonic()
        self._task = asyncio.create_task(self._ask())

    def found(self) -> Mapping[Part, int] | None:
        """What is missing; None as long as that is not known."""
        if self._task is None or not self._task.done():
            return None
        return self._task.result()

    def failure(self) -> StoreIncompleteError | None:
        """Why it is not known, where that is no matter of a moment."""
        if self._error is None and self._monotonic() - self._began > PATIENCE:
            return StoreIncompleteError(
                f"the ledger has not said for {PATIENCE:g} s what gateways used that are gone,"
                " which the quota store has lost: see that the collector's database answers"
            )
        return self._error

    def done(self, raised: int) -> None:
        """The store has it again."""
        log.info("event=quota_store_whole loss=%s raised=%d", self._loss, raised)
        self.times += 1
        self.raised += raised
        self.stop()

    def stop(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()
        self._task, self._error = None, None

    async def _ask(self) -> Mapping[Part, int]:
        pause = BACKOFF[0]
        while True:
            try:
                return await self._lost()
            except StoreIncompleteError as error:
                if self._error is None:
                    log.error("event=quota_store_not_rebuilt error=%r", str(error))  # noqa: TRY400 - a state of the ledger, not of the code
                self._error = error
                self.failures += 1
            await asyncio.sleep(pause)
            pause = min(2 * pause, BACKOFF[1])
