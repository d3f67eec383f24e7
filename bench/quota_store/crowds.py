"""A thousand callers at each of four gateways, on one limit; then all events in their order."""

import bisect
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

KNOWN_MS = 100
"""After which what one gateway gave back is known to the others."""
Event = tuple[str, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Crowd:
    """Callers at each gateway, tokens of the limit, seconds for which each call is held."""

    callers: int
    cap: int
    hold: float

    @property
    def name(self) -> str:
        """As a table says it."""
        held = f"given back after up to {self.hold:.0f} s" if self.hold else "kept"
        return f"{self.callers:,} callers at each, {self.cap:,} tokens, {held}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the callers of all gateways were told."""

    granted: int
    refused: int
    most: int
    overshoot: int
    false_refusals: int


def crowded(port: int, crowd: Crowd, *, seconds: float, seed: int) -> Outcome:
    """Each gateway is a process of its own, and all count in the store at this port."""
    options = {
        "port": port, "cap": crowd.cap, "callers": crowd.callers, "seconds": seconds,
        "hold": crowd.hold,
    }  # fmt: skip
    words = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "quota_store.crowd", *words]
    children = [
        subprocess.Popen(
            [*command, "--name", f"r{n}", "--seed", str(seed + n)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
        )
        for n in range(4)
    ]
    events: list[Event] = []
    for child in children:
        said, _ = child.communicate()
        if child.returncode:
            raise SystemExit("a gateway failed; the lines above say why")
        for line in said.splitlines():
            what, begin, end, asked, used = line.split()
            events.append((what, int(begin), int(end), int(asked), int(used)))
    return judged(events, cap=crowd.cap)


def judged(events: list[Event], *, cap: int) -> Outcome:
    """Overshoot: the most that was granted and not yet given back, beyond the cap.

    A refusal is false if the call would have fit at every moment from its beginning to its end,
    where what one gateway gives back is there for the others KNOWN_MS later.
    """
    granted_at = [(end, asked) for what, _, end, asked, _ in events if what == "g"]
    back_at = [(begin, -asked) for what, begin, _, asked, _ in events if what == "s"]
    _, use = _course(granted_at + back_at)
    most = max(use, default=0)
    moments, use = _course(granted_at + [(at + KNOWN_MS, change) for at, change in back_at])
    refusals = [event for event in events if event[0] == "r"]
    false = 0
    for _, begin, end, asked, _ in refusals:
        low = max(0, bisect.bisect_right(moments, begin) - 1)
        high = bisect.bisect_right(moments, end)
        false += max(use[low : high + 1], default=0) + asked <= cap
    return Outcome(
        granted=len(granted_at),
        refused=len(refusals),
        most=most,
        overshoot=max(0, most - cap),
        false_refusals=false,
    )


def _course(changes: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """When use changed, and what it was from then on."""
    moments, use, used = [], [], 0
    for at, change in sorted(changes):
        used += change
        moments.append(at)
        use.append(used)
    return moments, use
