"""Where the real prometheus and promtool come from."""

from pathlib import Path

from tools import building

MODULE = "github.com/prometheus/prometheus/cmd"


def find_or_build(name: str) -> Path:
    """The program of this name: on PATH, else built before from the same pins, else built now."""
    return building.find_or_build(name, "prometheus", f"{MODULE}/{name}")
