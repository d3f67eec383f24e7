"""The operator begins when everything there is was listed, once."""

import asyncio
import contextvars
from collections.abc import Callable

from kopf._cogs.aiokits import aiotoggles

from bailiwick_operator.handlers.indexing import ToggleSet, tell_when_listed


def test_the_last_list_is_told() -> None:
    """Not while one of the kinds is still being listed; what pauses kopf is another matter."""

    async def run() -> None:
        told: list[str] = []
        kinds = ToggleSet(all, listed=lambda: told.append("listed"))
        pauses = ToggleSet(any, listed=lambda: told.append("paused"))
        blocker, tenants, routes = [await kinds.make_toggle(name=name) for name in "btr"]
        reason = await pauses.make_toggle(True)  # noqa: FBT003 - kopf's signature

        await kinds.drop_toggle(tenants)
        await kinds.drop_toggle(blocker)
        await pauses.drop_toggle(reason)
        assert told == []
        await kinds.drop_toggle(routes)

        assert told == ["listed"]

    asyncio.run(run())


def test_each_operator_is_told_its_own() -> None:
    """Two in one process: kopf makes its set in the task of the one that it belongs to."""

    async def made(listed: Callable[[], None]) -> aiotoggles.ToggleSet:
        tell_when_listed(listed)
        await asyncio.sleep(0)
        return aiotoggles.ToggleSet(all)

    async def run() -> None:
        told: list[int] = []
        operators = [
            asyncio.create_task(
                made(lambda number=number: told.append(number)),  # type: ignore[misc]
                context=contextvars.copy_context(),
            )
            for number in range(2)
        ]
        sets = [await operator for operator in operators]
        for one in reversed(sets):
            await one.drop_toggle(await one.make_toggle())

        assert told == [1, 0]

    asyncio.run(run())
