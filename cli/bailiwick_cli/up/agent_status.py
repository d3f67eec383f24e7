"""What an agent says of itself, read from its status file."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """Where the newest config stands. Empty words mean that there is nothing to say."""

    acked: str = ""
    error: str = ""
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def read_status(path: Path) -> AgentStatus:
    """The agent's last word; an empty one where it said nothing readable."""
    try:
        said = json.loads(path.read_bytes())
        return AgentStatus(
            acked=str(said["acked"]),
            error=str(said["error"]),
            reasons=tuple(map(str, said["reasons"])),
            warnings=tuple(map(str, said["warnings"])),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return AgentStatus()
