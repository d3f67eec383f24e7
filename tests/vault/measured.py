"""How long things took: shown at the end of a run, never asserted."""

import time

LINES: list[str] = []


def measured(what: str, since: float) -> None:
    """Remember the time since `since`, of the monotonic clock."""
    line = f"{what}: {time.monotonic() - since:.2f} s"
    LINES.append(line)
    print(f"\n{line}")
