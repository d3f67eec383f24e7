"""docs/grpc.md: its lines work when pasted, its table is the code's."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from grpcurl_binary import find_or_build
from serving import Served

from bailiwick_sidecar.llm_grpc.method import METHODS
from bailiwick_sidecar.llm_grpc.refusals import BY_STATUS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "grpc.md").read_text()
BLOCKS = "\n".join(re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = [
    command.strip()
    for command in re.split(r"^\$ ", BLOCKS, flags=re.MULTILINE)
    if command.strip() and not command.startswith("export TOKEN")
]


@pytest.mark.parametrize("command", COMMANDS, ids=range(len(COMMANDS)))
def test_lines_work_when_pasted(served: Served, command: str) -> None:
    """Each command of the page succeeds and says something."""
    ran = subprocess.run(
        ["bash", "-c", command.replace("127.0.0.1:8080", served.target)],
        cwd=ROOT,
        env={
            **os.environ,
            "TOKEN": served.token(),
            "PATH": f"{find_or_build().parent}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip()


def test_the_page_has_commands_for_both_kinds_of_client() -> None:
    """The test above would pass on a page without any."""
    assert sum(command.startswith("grpcurl") for command in COMMANDS) >= 5
    assert sum(command.startswith(".venv/bin/python") for command in COMMANDS) >= 2


def test_the_table_of_statuses_is_the_codes() -> None:
    """One row for each pair."""
    said = dict(re.findall(r"^\| (\d{3}) \| ([A-Z_]+) \|$", PAGE, re.MULTILINE))

    assert said == {str(status): code.name for status, code in BY_STATUS.items()}


def test_every_method_is_named() -> None:
    """With the HTTP call that it is."""
    for method in METHODS:
        assert f"| `{method.name}` |" in PAGE
