"""Ctrl-C in a run."""

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def below(folder: Path) -> list[str]:
    """Command lines and working directories of processes that have to do with the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace")
            where = str((process / "cwd").readlink())
        except OSError:
            continue
        if str(folder) in words or str(folder) in where:
            found.append(words)
    return found


def test_ctrl_c_ends_a_run_and_all_that_it_started(tmp_path: Path) -> None:
    """Said, exit code 130, no verdict, no process left."""
    run = subprocess.Popen(
        [
            *(sys.executable, "-m", "bench.faults", "--alone", "--keep", tmp_path),
            *("--calls", "3000", "--every", "50"),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stderr is not None
    assert "3000 calls" in run.stderr.readline()
    assert below(tmp_path)
    os.kill(run.pid, signal.SIGINT)
    output, said = run.communicate(timeout=120)

    assert run.returncode == 130
    assert "nothing can be concluded" in said
    assert "Traceback" not in said
    assert output == ""
    assert below(tmp_path) == []
