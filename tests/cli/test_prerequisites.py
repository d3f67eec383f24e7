"""Setting up on a machine where something is missing: named, with its cure, nothing half made."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("bash", "dirname", "uname", "grep", "sed", "env")
OLD = '#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n'
BARE = '#!/bin/sh\ncase "$2" in *venv*) exit 1;; esac\nexit 0\n'


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A checkout on a machine that has a shell and no Python."""
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None
        (tmp_path / "bin" / tool).symlink_to(found)
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    return tmp_path


def set_up(machine: Path, **environment: str) -> str:
    done = subprocess.run(
        [machine / ".ci" / "venv"],
        env={"PATH": str(machine / "bin"), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert not (machine / ".venv").exists()
    return done.stderr


def program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def test_no_python(machine: Path) -> None:
    """What is needed, and how to get it."""
    said = set_up(machine)
    assert "needs Python 3.11 or newer, and this machine has no python3" in said
    assert "apt-get install python3" in said


def test_a_python_that_is_too_old(machine: Path) -> None:
    """The version that was found, and how to name another one."""
    program(machine / "bin" / "python3", OLD)
    said = set_up(machine)
    assert "this machine has Python 3.9.2" in said
    assert "make PYTHON=" in said


def test_a_python_that_was_named_and_is_too_old(machine: Path) -> None:
    """It is not silently replaced by another one."""
    program(machine / "old", OLD)
    said = set_up(machine, PYTHON=str(machine / "old"))
    assert f"{machine / 'old'} is no Python 3.11 or newer (Python 3.9.2)" in said


def test_a_python_without_venv(machine: Path) -> None:
    """As Debian ships it: the package that is missing."""
    program(machine / "bin" / "python3", BARE)
    assert "apt-get install python3-venv" in set_up(machine)


def test_make_says_what_there_is() -> None:
    """`make` alone explains itself, without a virtual environment."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    done = subprocess.run(
        ["make"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    for target in ("quickstart", "test", "lint", "lock"):
        assert f"make {target}" in done.stdout
