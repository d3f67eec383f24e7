"""What loading and validating say: where something is wrong, what, and what to do."""

import re
from dataclasses import dataclass

Steps = tuple[str | int, ...]
"""Keys and list positions from the top of a document down to a value."""


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """Where a resource is written; lines count from 1."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong.

    `resource` is like "ModelRoute acme-prod/fast" and `path` like "spec.backends[1].weight";
    both are empty where the file as a whole is meant.
    """

    file: str
    line: int | None
    resource: str
    path: str
    message: str
    cure: str

    def __str__(self) -> str:
        """File and line, resource, path, message and cure in one line."""
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        parts = (where, self.resource, self.path, self.message, self.cure)
        return ": ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was left alone, and why."""

    file: str
    line: int
    message: str


def dotted(steps: Steps) -> str:
    """Steps as a path for people: `spec.backends[1].weight`."""
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def steps_of(path: str) -> Steps:
    """The steps of a path that `dotted` wrote."""
    found = re.findall(r"([^.\[\]]+)|\[(\d+)\]", path)
    return tuple(int(position) if position else name for name, position in found)
