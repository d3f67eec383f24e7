"""When kopf has listed everything there is.

kopf holds one toggle for each kind that is not listed yet; all of them are on once each has been.
"""

from collections.abc import Callable, Iterable
from contextvars import ContextVar

from kopf._cogs.aiokits import aiotoggles


class ToggleSet(aiotoggles.ToggleSet):
    """Calls `listed` each time that the last of kopf's blockers is gone."""

    def __init__(self, fn: Callable[[Iterable[bool]], bool], *, listed: Callable[[], None]) -> None:
        super().__init__(fn)
        # The other set, of reasons to pause, is on where any of them is.
        self._listed = listed if fn is all else None

    async def drop_toggle(self, toggle: aiotoggles.Toggle) -> None:
        """See kopf."""
        await super().drop_toggle(toggle)
        if self._listed is not None and self.is_on():
            self._listed()


_listed: ContextVar[Callable[[], None]] = ContextVar("listed")
"""Of the operator whose task it is: several may live in one process."""


def tell_when_listed(listed: Callable[[], None]) -> None:
    """Have the operator that this task runs call it; before kopf is started."""
    _listed.set(listed)
    aiotoggles.ToggleSet = _made  # type: ignore[assignment,misc]  # it is looked up at each use


def _made(fn: Callable[[Iterable[bool]], bool]) -> ToggleSet:
    return ToggleSet(fn, listed=_listed.get())
