"""Calls under way that may try again: what `/attempt` needs to know of `/admit`."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from bailiwick_sidecar.admission.body import Ask
from bailiwick_sidecar.admission.identity import Identity
from bailiwick_sidecar.admission.tables import Place, Way

MAX_CALLS: Final = 50_000
"""Calls kept; beyond, the oldest loses its further attempts (never its first)."""


@dataclass(frozen=True, slots=True)
class Call:
    """One admitted call: who, what, and the backends of its plan."""

    identity: Identity
    ask: Ask
    way: Way
    plan: tuple[Place, ...]
    deadline: int


class Calls:
    """Calls by stream id, bounded in number and dropped when they end."""

    def __init__(self) -> None:
        self._calls: OrderedDict[str, Call] = OrderedDict()

    def __len__(self) -> int:
        return len(self._calls)

    def keep(self, stream: str, call: Call) -> None:
        """Remember a call whose plan has more than one backend."""
        self._calls[stream] = call
        if len(self._calls) > MAX_CALLS:
            self._calls.popitem(last=False)

    def get(self, stream: str) -> Call | None:
        """The call, if it is still known."""
        return self._calls.get(stream)

    def forget(self, stream: str) -> None:
        """The call has ended."""
        self._calls.pop(stream, None)

    def sweep(self, now: int) -> None:
        """Drop calls whose end was never seen."""
        for stream in [s for s, call in self._calls.items() if call.deadline < now]:
            del self._calls[stream]
