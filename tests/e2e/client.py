"""kubectl and helm as a platform engineer uses them, each call bounded in time."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class CommandError(AssertionError):
    """A command did not succeed; the message holds what it printed."""


def program(variable: str, name: str) -> str:
    """The program that the variable names, else the one on PATH."""
    found = os.environ.get(variable) or shutil.which(name)
    if not found:
        raise CommandError(f"{name} is not on PATH: install it, or set {variable} to its path")
    return found


def run(*command: str, given: str = "", timeout: float = 120) -> str:
    """What the command printed; raises CommandError where it failed."""
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"{' '.join(command)}: no end within {timeout:.0f} s") from error
    if done.returncode:
        raise CommandError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


class Cluster:
    """The cluster that KUBECONFIG names."""

    def __init__(self) -> None:
        self._kubectl = program("KUBECTL", "kubectl")

    def __call__(self, *arguments: str, given: str = "", timeout: float = 120) -> str:
        return run(self._kubectl, *arguments, given=given, timeout=timeout)

    def get(self, *arguments: str) -> Any:
        """The object or list, parsed; None where it is not there."""
        printed = self("get", *arguments, "--ignore-not-found", "-o", "json")
        return json.loads(printed) if printed.strip() else None

    def items(self, *arguments: str) -> list[dict[str, Any]]:
        """The objects of a list."""
        found = self.get(*arguments)
        return found["items"] if found else []

    def apply(self, objects: Iterable[dict[str, Any]]) -> str:
        """`kubectl apply` of these."""
        return self(
            "apply",
            "-f",
            "-",
            given=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}),
        )

    def ready(self, *what: str, timeout: int = 180) -> None:
        """Return once the workload is rolled out."""
        self("rollout", "status", *what, f"--timeout={timeout}s", timeout=timeout + 30)


def until(
    look: Callable[[], T], holds: Callable[[T], bool], *, what: str, seconds: float = 90
) -> T:
    """What was seen once it holds; raises with what was seen last."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            seen: Any = look()
            if holds(seen):
                return seen  # type: ignore[no-any-return]
        except CommandError as error:
            seen = error
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:.0f} s; last seen: {seen}")
        time.sleep(0.5)


def condition(body: Any, kind: str) -> tuple[str, str]:
    """Status and reason of a condition that speaks of the resource's newest generation."""
    for one in (body or {}).get("status", {}).get("conditions", []):
        if one["type"] == kind:
            if one.get("observedGeneration") != body["metadata"]["generation"]:
                return "Unknown", "another generation"
            return one["status"], one["reason"]
    return "Unknown", "no such condition"


def repository() -> Path:
    """The root of the repository."""
    return Path(__file__).parents[2]
