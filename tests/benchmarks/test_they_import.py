"""Benchmarks are run by hand: at least each of their modules finds what it needs.

What is called with other arguments than it takes is mypy's to find (`make lint`).
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
BENCH = ROOT / "bench"
PROGRAMS = sorted(
    file.parent.name if file.name == "__main__.py" else file.stem
    for file in (*BENCH.glob("*/__main__.py"), *BENCH.glob("*.py"))
)


def modules(program: str) -> list[str]:
    """Names of its modules, the one that is run first, as the Makefile runs it."""
    if not (BENCH / program).is_dir():
        return [program]
    package = "bench.faults" if program == "faults" else program
    rest = sorted(file.stem for file in (BENCH / program).glob("*.py"))
    return [f"{package}.__main__", *(f"{package}.{name}" for name in rest if name[0] != "_")]


def test_all_programs_are_known() -> None:
    """A benchmark that is added or renamed is looked at here too."""
    assert {"control_plane", "faults", "gateway", "quota_engine"} <= set(PROGRAMS)


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_module_imports(program: str) -> None:
    """In the order and the folder in which it is run; nothing starts."""
    lines = ["import importlib", *(f"importlib.import_module({one!r})" for one in modules(program))]
    paths = [str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]

    run = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        cwd=BENCH,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(one for one in paths if one)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert run.returncode == 0, run.stderr[-2000:]
    assert not run.stdout
