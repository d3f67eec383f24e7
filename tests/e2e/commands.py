"""The command and the plugin, with the rights of who runs the story."""

import os
import subprocess
import sys
from pathlib import Path

from e2e.client import program, run


def bailiwick(*arguments: str) -> str:
    """What the command prints, with the rights of who runs the test."""
    kubectl = Path(program("KUBECTL", "kubectl"))
    environment = {**os.environ, "PATH": f"{kubectl.parent}:{os.environ['PATH']}"}
    command = [Path(sys.executable).with_name("bailiwick"), *arguments]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def plugin(*arguments: str) -> str:
    """What `kubectl bailiwick` prints; kubectl finds it on PATH."""
    folder = Path(sys.executable).parent
    kubectl = program("KUBECTL", "kubectl")
    path = f"{folder}:{Path(kubectl).parent}:{os.environ['PATH']}"
    return run("env", f"PATH={path}", kubectl, "bailiwick", *arguments)
