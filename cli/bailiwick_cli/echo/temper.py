"""Models of the echo provider that misbehave on purpose, told by the end of their name.

So a fallback, a timeout or an estimated row can be seen without a real provider's help:
`echo-503` answers 503 (any status from 400 to 599), `echo-slow` says ten tokens a second,
`echo-silent` never answers, `echo-dropping` breaks off half way, `echo-mute` gives no usage.
"""

import re
from dataclasses import dataclass

SLOW_S = 0.1
_STATUS = re.compile(r"-([45]\d\d)$")


@dataclass(frozen=True, slots=True)
class Temper:
    """How a model behaves."""

    status: int = 200
    pause_s: float = 0.0
    silent: bool = False
    dropping: bool = False
    usage: bool = True


def temper_of(model: str) -> Temper:
    """The behaviour that the model's name asks for."""
    if found := _STATUS.search(model):
        return Temper(status=int(found[1]))
    match model.rpartition("-")[2]:
        case "slow":
            return Temper(pause_s=SLOW_S)
        case "silent":
            return Temper(silent=True)
        case "dropping":
            return Temper(dropping=True)
        case "mute":
            return Temper(usage=False)
        case _:
            return Temper()
