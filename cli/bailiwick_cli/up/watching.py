"""Notices edits of the files that are served."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from watchfiles import Change, awatch

DEBOUNCE_MS = 100
STEP_MS = 20
RETRY_S = 0.5


async def edits(paths: Sequence[Path], *, ignore: Path) -> AsyncIterator[None]:
    """One item for each burst of changes to YAML files at or below the paths.

    The first item comes at once: what was edited before the watch began would else be missed.
    `ignore` is the data directory, which may lie below them. Never ends by itself.
    """
    changed = asyncio.Event()
    changed.set()
    folders = sorted({path.resolve() for path in paths if path.is_dir()})
    files = {path.absolute() for path in paths if not path.is_dir()}
    files |= {path.resolve() for path in files}
    # An editor that replaces a file leaves a watch on the old one: watch the folder.
    parents = sorted({path.parent for path in files})

    def below_folders(_: Change, path: str) -> bool:
        where = Path(path)
        return where.suffix in {".yaml", ".yml"} and not where.is_relative_to(ignore)

    def among_files(_: Change, path: str) -> bool:
        return Path(path) in files

    async def watch(places: Sequence[Path], *, recursive: bool) -> None:
        wanted = below_folders if recursive else among_files
        while places:
            try:
                async for _ in awatch(
                    *places,
                    watch_filter=wanted,
                    debounce=DEBOUNCE_MS,
                    step=STEP_MS,
                    recursive=recursive,
                ):
                    changed.set()
            except OSError:
                # The folder is gone, for instance while a branch is changed.
                changed.set()
            await asyncio.sleep(RETRY_S)

    watching = [
        asyncio.create_task(watch(folders, recursive=True)),
        asyncio.create_task(watch(parents, recursive=False)),
    ]
    try:
        # Each task sets its watch up before it waits for the first time.
        await asyncio.sleep(0)
        while True:
            await changed.wait()
            changed.clear()
            yield None
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
