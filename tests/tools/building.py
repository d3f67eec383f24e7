"""Programs that tests run: on PATH, or built once from the modules pinned beside this file."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


class NoProgramError(Exception):
    """There is no such program to test with; the message says how to get one."""


def find_or_build(name: str, module: str, package: str) -> Path:
    """The program: on PATH, else built before from `module`'s pins, else `package` built now."""
    if found := shutil.which(name):
        return Path(found)
    pins = (HERE / module / "go.mod").read_bytes() + (HERE / module / "go.sum").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    binary = cache / "e2e-tools" / hashlib.sha256(pins).hexdigest()[:12] / name
    if not binary.exists():
        _build(binary, module, package)
    return binary


def _build(binary: Path, module: str, package: str) -> None:
    name = binary.name
    go = shutil.which("go") or shutil.which("go", path=str(Path(sys.executable).parent))
    if go is None:
        raise NoProgramError(f"no `{name}` and no `go` to build it: install either")
    say = sys.__stderr__ or sys.stderr
    print(f"\nbuilding {name} into {binary} (once; some minutes)", file=say, flush=True)
    binary.parent.mkdir(parents=True, exist_ok=True)
    part = binary.with_suffix(f".{os.getpid()}.part")
    # Progress is Go's own list of packages, on the real standard error: pytest captures ours.
    subprocess.run(
        [
            *(go, "build", "-v", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w"),
            *("-o", part, package),
        ],
        cwd=HERE / module,
        env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"},
        stderr=say,
        check=True,
    )
    part.rename(binary)
