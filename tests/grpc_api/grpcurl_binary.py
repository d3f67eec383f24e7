"""grpcurl, a client that is not Python's: built once from its pinned module, then kept."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parent.parent / "tools" / "grpcurl"
COMMAND = "github.com/fullstorydev/grpcurl/cmd/grpcurl"


class NoGoError(Exception):
    """There is no Go to build it with; the message says how to get one."""


def find_or_build() -> Path:
    """The binary: what was built before from the same pins, else built now, which says so."""
    pins = (TOOL / "go.mod").read_bytes() + (TOOL / "go.sum").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    binary = cache / "bailiwick" / "grpcurl" / hashlib.sha256(pins).hexdigest()[:16] / "grpcurl"
    if not binary.exists():
        _build(binary)
    return binary


def _build(binary: Path) -> None:
    go = shutil.which("go") or shutil.which("go", path=str(Path(sys.executable).parent))
    if go is None:
        raise NoGoError("no `go` to build grpcurl with: install Go 1.24 or newer")
    say = sys.__stderr__ or sys.stderr
    print(f"\nbuilding grpcurl into {binary.parent} (once; about a minute)", file=say, flush=True)
    binary.parent.mkdir(parents=True, exist_ok=True)
    part = binary.with_name(f"grpcurl.{os.getpid()}.part")
    # Progress is Go's own list of packages, on the real standard error: pytest captures ours.
    subprocess.run(
        [
            *(go, "build", "-v", "-trimpath", "-buildvcs=false", "-mod=readonly"),
            *("-ldflags", "-s -w", "-o", part, COMMAND),
        ],
        cwd=TOOL,
        env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"},
        stderr=say,
        check=True,
    )
    part.replace(binary)


if __name__ == "__main__":
    print(find_or_build())
