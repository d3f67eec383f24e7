"""Waiting for the indices costs as much as there are objects, not its square."""

import asyncio

from kopf._cogs.aiokits import aiotoggles

from bailiwick_operator.handlers.indexing import QuietToggleSet, quieten

OBJECTS = 300


class Counting(QuietToggleSet):
    """Counts how often those who wait look."""

    looks = 0

    def is_on(self) -> bool:
        self.looks += 1
        return super().is_on()


def test_objects_are_woken_once() -> None:
    """Of 300 objects that wait for each other, each looks a few times, and all go on together."""

    async def run() -> None:
        toggles = Counting(all)
        blocker = await toggles.make_toggle(name="lists")
        passed: list[int] = []

        async def indexed(number: int) -> None:
            mine = await toggles.make_toggle(name=str(number))
            await asyncio.sleep(0)
            await toggles.drop_toggle(mine)
            await toggles.wait_for(True)  # noqa: FBT003 - kopf's signature
            passed.append(number)

        async with asyncio.TaskGroup() as objects:
            for number in range(OBJECTS):
                objects.create_task(indexed(number))
            await asyncio.sleep(0.1)
            assert passed == []
            await toggles.drop_toggle(blocker)

        assert sorted(passed) == list(range(OBJECTS))
        assert toggles.looks < OBJECTS * 10

    asyncio.run(run())


def test_it_goes_off_again() -> None:
    """Who waits for the set to be off is told as well."""

    async def run() -> None:
        toggles = QuietToggleSet(all)
        waiting = asyncio.create_task(toggles.wait_for(False))  # noqa: FBT003 - kopf's signature
        await asyncio.sleep(0)
        toggle = await toggles.make_toggle()
        await asyncio.wait_for(waiting, 5)
        await toggle.turn_to(True)  # noqa: FBT003 - kopf's signature
        await asyncio.wait_for(toggles.wait_for(True), 5)  # noqa: FBT003 - kopf's signature

    asyncio.run(run())


def test_kopf_uses_it() -> None:
    """The class is where kopf's orchestration looks for it."""
    quieten()

    assert aiotoggles.ToggleSet is QuietToggleSet
