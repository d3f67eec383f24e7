"""LiteLLM's proxy on the same work, from its package: pinned, with hashes, in a venv of its own.

Its releases 1.82.7 and 1.82.8 carried malware; `rival.lock` names another, each file by its hash.
`uv pip compile --generate-hashes --python-version 3.11 rival.in` makes the lock anew.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from gateway.processes import BIN, HERE, descendants, reachable

LOCK = HERE / "rival.lock"
KEY = "sk-bench"
CONFIG = """
model_list:
  - model_name: fast
    litellm_params: {{model: openai/m, api_base: "http://127.0.0.1:{target}/v1", api_key: none}}
general_settings: {{master_key: {key}}}
litellm_settings: {{telemetry: false}}
"""


def version() -> str:
    """The pinned one."""
    lines = LOCK.read_text().splitlines()
    return (
        next(line for line in lines if line.startswith("litellm==")).split()[0].partition("==")[2]
    )


def installed() -> Path | None:
    """Its venv's programs, made where they are missing; None where that can't be done."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    venv = cache / "bailiwick-bench" / f"litellm-{version()}"
    done = venv / "complete"
    if not done.exists():
        print(f"Installing LiteLLM {version()} for comparison (once, about 600 MB) …", flush=True)
        uv, python = str(BIN / "uv"), str(venv / "bin" / "python")
        into = [uv, "pip", "install", "--quiet", "--python", python, "--require-hashes"]
        for command in (
            [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(venv)],
            [*into, "--only-binary", ":all:", "--requirement", str(LOCK)],
        ):
            if subprocess.run(command, check=False).returncode:
                return None
        done.touch()
    return venv / "bin"


@contextlib.contextmanager
def litellm(programs: Path, port: int, target: int) -> Iterator[list[int]]:
    """Its processes, once it serves. One worker, no database, a master key."""
    with tempfile.TemporaryDirectory() as name:
        config = Path(name) / "config.yaml"
        config.write_text(CONFIG.format(target=target, key=KEY))
        environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": name,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_LOG": "ERROR",
        }
        process = subprocess.Popen(
            [
                programs / "litellm", "--config", config, "--port", str(port),
                "--host", "127.0.0.1", "--num_workers", "1",
            ],
            env=environment, cwd=name, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            reachable(f"http://127.0.0.1:{port}/health/liveliness", seconds=120)
            yield descendants(process.pid)
        finally:
            process.terminate()
            process.wait(30)
