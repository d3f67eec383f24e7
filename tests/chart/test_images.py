"""Each image holds the package of every command that something runs in it."""

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOLDERS = {
    Path(folder).name: folder
    for folder in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
}
COMMANDS = {
    "operator": ("bailiwick-operator", "bailiwick-collector", "bailiwick"),
    "sidecar": ("bailiwick-gateway",),
}
"""What the chart and the operator start, by the folder of the image that it is in."""


@pytest.mark.parametrize(
    ("image", "command"), [(image, one) for image, all_ in COMMANDS.items() for one in all_]
)
def test_a_command_is_in_its_image(image: str, command: str) -> None:
    """The wheel leaves out what was not copied, in silence: the command would fail at its start."""
    module = PROJECT["project"]["scripts"][command].partition(":")[0]
    folder = FOLDERS[module.partition(".")[0]]
    lines = (ROOT / image / "Containerfile").read_text().splitlines()

    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY ")]

    assert folder in [source for sources in copied for source in sources]


def test_the_chart_runs_no_other_command() -> None:
    """A command that the chart starts is looked at above."""
    templates = "".join(file.read_text() for file in (ROOT / "helm").rglob("*.yaml"))

    known = {command for commands in COMMANDS.values() for command in commands}

    started = {name for name in PROJECT["project"]["scripts"] if f"command: [{name}" in templates}
    assert started
    assert started <= known
