"""Where the real prometheus and promtool come from: PATH, or built once from pinned modules."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

TOOLS = Path(__file__).parent.parent / "tools" / "prometheus"
MODULE = "github.com/prometheus/prometheus/cmd"


class NoPrometheusError(Exception):
    """There is no Prometheus to test with; the message says how to get one."""


def find_or_build(name: str) -> Path:
    """The program of this name: on PATH, else built before from the same pins, else built now."""
    if found := shutil.which(name):
        return Path(found)
    pins = (TOOLS / "go.mod").read_bytes() + (TOOLS / "go.sum").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    binary = cache / "e2e-tools" / hashlib.sha256(pins).hexdigest()[:12] / name
    if not binary.exists():
        _build(binary, name)
    return binary


def _build(binary: Path, name: str) -> None:
    go = shutil.which("go") or shutil.which("go", path=str(Path(sys.executable).parent))
    if go is None:
        raise NoPrometheusError(f"no `{name}` and no `go` to build it: install Prometheus or Go")
    say = sys.__stderr__ or sys.stderr
    print(f"\nbuilding {name} into {binary} (once; some minutes)", file=say, flush=True)
    binary.parent.mkdir(parents=True, exist_ok=True)
    part = binary.with_suffix(f".{os.getpid()}.part")
    # Progress is Go's own list of packages, on the real standard error: pytest captures ours.
    subprocess.run(
        [
            *(go, "build", "-v", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w"),
            *("-o", part, f"{MODULE}/{name}"),
        ],
        cwd=TOOLS,
        env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"},
        stderr=say,
        check=True,
    )
    part.rename(binary)
