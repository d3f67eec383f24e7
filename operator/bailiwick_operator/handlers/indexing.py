"""kopf's wait until all indices are filled, without waking everybody for each object.

kopf holds one toggle for each object that is not indexed yet, and at each change wakes all objects
that wait for the last: with ten thousand of them a start took longer than anyone would wait (kopf
1.45, `ToggleSet`). Only a change of the whole set's state is news to who waits for it.
"""

from collections.abc import Iterable

from kopf._cogs.aiokits import aiotoggles


class QuietToggleSet(aiotoggles.ToggleSet):
    """Says that it changed only where it did."""

    async def make_toggle(
        self,
        val: bool = False,  # noqa: FBT001, FBT002 - kopf's signature
        /,
        *,
        name: str | None = None,
    ) -> aiotoggles.Toggle:
        """See kopf."""
        toggle = aiotoggles.Toggle(val, name=name, condition=self._condition)
        await self._change(add=(toggle,))
        return toggle

    async def drop_toggle(self, toggle: aiotoggles.Toggle) -> None:
        """See kopf."""
        await self._change(drop=(toggle,))

    async def drop_toggles(self, toggles: Iterable[aiotoggles.Toggle]) -> None:
        """See kopf."""
        await self._change(drop=toggles)

    async def _change(
        self,
        *,
        add: Iterable[aiotoggles.Toggle] = (),
        drop: Iterable[aiotoggles.Toggle] = (),
    ) -> None:
        async with self._condition:
            before = self.is_on()
            self._toggles.update(add)
            self._toggles.difference_update(drop)
            if self.is_on() != before:
                self._condition.notify_all()


def quieten() -> None:
    """Let kopf use it; before an operator is made."""
    aiotoggles.ToggleSet = QuietToggleSet  # type: ignore[misc]  # it is looked up at each use
