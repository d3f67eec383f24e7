"""Programs that tests run: on PATH, or built once from the modules pinned beside this file."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent


class NoProgramError(Exception):
    """There is no such program to test with; the message says how to get one."""


def cache_root() -> Path:
    """Where things are kept from one run to the next."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()


def pins(module: str) -> str:
    """What stands for everything that `module` pins: programs of other pins are other programs."""
    pinned = (HERE / module / "go.mod").read_bytes() + (HERE / module / "go.sum").read_bytes()
    return hashlib.sha256(pinned).hexdigest()


def find_or_build(name: str, module: str, package: str, *, flags: tuple[str, ...] = ()) -> Path:
    """The program: on PATH, else built before from `module`'s pins, else `package` built now."""
    if found := shutil.which(name):
        return Path(found)
    kept = cache_root() / "e2e-tools" / pins(module)[:12] / name
    return built(kept, module, package, flags=flags)


def built(program: Path, module: str, package: str, *, flags: tuple[str, ...] = ()) -> Path:
    """The program where it is kept; built now, which says so, where it is not there yet."""
    if program.exists():
        return program
    with one_at_a_time():
        if not program.exists():  # whoever was before may have built it
            say(f"building {program.name} into {program} (once; some minutes)")
            program.parent.mkdir(parents=True, exist_ok=True)
            part = program.with_name(f"{program.name}.part")
            go_build(module, "-ldflags", "-s -w", *flags, "-o", str(part), package)
            part.replace(program)
    return program


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """No other run of the tests builds meanwhile: two at once would take twice as long each."""
    cache_root().mkdir(parents=True, exist_ok=True)
    with (cache_root() / "bailiwick-builds.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another run of the tests, which is building")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def go_build(module: str, *arguments: str) -> None:
    """`go build` has run on exactly what `module` pins.

    Raises:
        NoProgramError: there is no Go.
    """
    go = shutil.which("go") or shutil.which("go", path=str(Path(sys.executable).parent))
    if go is None:
        raise NoProgramError(
            f"no `go` to build what tests/tools/{module} pins: install Go 1.25 or newer, or the"
            " program itself on PATH"
        )
    # Progress is Go's own list of packages, on the real standard error: pytest captures ours.
    subprocess.run(
        [go, "build", "-v", "-buildvcs=false", "-trimpath", *arguments],
        cwd=HERE / module,
        env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"},
        stderr=sys.__stderr__ or sys.stderr,
        check=True,
    )


def say(words: str) -> None:
    """The words are on the real standard error."""
    print(f"\n{words}", file=sys.__stderr__ or sys.stderr, flush=True)
