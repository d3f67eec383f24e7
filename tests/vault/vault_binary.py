"""Where the real Vault comes from: PATH, or built once from pinned modules."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

TOOLS = Path(__file__).parent.parent / "tools" / "vault"
PACKAGE = "github.com/hashicorp/vault"
PLUGIN = "vault-plugin-auth-kubernetes"
PLUGIN_PACKAGE = f"github.com/hashicorp/{PLUGIN}/cmd/{PLUGIN}"


class NoVaultError(Exception):
    """There is no Vault to test against; the message says how to get one."""


def find_or_build() -> Path:
    """The program: one on PATH, else what was built before, else it is built now."""
    if found := shutil.which("vault"):
        return Path(found)
    return _built("vault", PACKAGE, "-tags", "minimal")


def find_or_build_plugin() -> Path:
    """The Kubernetes auth method, which a minimal Vault does not have inside; as above."""
    if found := shutil.which(PLUGIN):
        return Path(found)
    return _built(PLUGIN, PLUGIN_PACKAGE)


def _built(name: str, package: str, *flags: str) -> Path:
    pins = (TOOLS / "go.mod").read_bytes() + (TOOLS / "go.sum").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    binary = cache / "e2e-tools" / hashlib.sha256(pins).hexdigest()[:12] / name
    if not binary.exists():
        _build(binary, package, *flags)
    return binary


def _build(binary: Path, package: str, *flags: str) -> None:
    go = shutil.which("go") or shutil.which("go", path=str(Path(sys.executable).parent))
    if go is None:
        raise NoVaultError(
            f"no `{binary.name}` and no `go` to build one: install Vault 1.21 or OpenBao's `bao`"
            " under the name vault, or Go 1.25 or newer"
        )
    say = sys.__stderr__ or sys.stderr
    print(
        f"\nbuilding {binary.name} into {binary} (once; Vault takes 5 to 7 minutes on two cores)",
        file=say,
        flush=True,
    )
    binary.parent.mkdir(parents=True, exist_ok=True)
    part = binary.with_suffix(f".{os.getpid()}.part")
    # Progress is Go's own list of packages, on the real standard error: pytest captures ours.
    subprocess.run(
        [
            *(go, "build", "-v", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w"),
            *(*flags, "-o", part, package),
        ],
        cwd=TOOLS,
        env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"},
        stderr=say,
        check=True,
    )
    part.rename(binary)


if __name__ == "__main__":
    print(find_or_build())
    print(find_or_build_plugin())
