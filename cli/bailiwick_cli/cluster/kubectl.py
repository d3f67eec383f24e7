"""`kubectl`, as its user has set it up: every way to log in works, and no right is added."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from bailiwick_cli.errors import CommandError

KUBECTL_S: Final = 30


class KubectlError(CommandError):
    """`kubectl` is missing, or says no; the message has its words."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """How to run it."""

    options: Sequence[str] = ()

    def __call__(self, *arguments: str) -> str:
        """What it prints; raises KubectlError with what it complains about."""
        command = ["kubectl", *self.options, *arguments]
        try:
            ran = subprocess.run(  # noqa: S603 - arguments, no shell
                command, capture_output=True, text=True, timeout=KUBECTL_S, check=False
            )
        except FileNotFoundError as error:
            raise KubectlError(
                "there is no kubectl on PATH: install it (a local `bailiwick up` needs none: see"
                " `bailiwick --help`)"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise KubectlError(f"kubectl did not answer within {KUBECTL_S} s") from error
        if ran.returncode:
            # The last line is for people, what comes before it are kubectl's own logs.
            said = ran.stderr.strip().splitlines() or [f"it ended with {ran.returncode}"]
            raise KubectlError(f"kubectl: {said[-1]}")
        return ran.stdout

    def items(self, *arguments: str) -> list[dict[str, Any]]:
        """The objects that `kubectl get` finds.

        Raises:
            KubectlError: it says no, or the cluster has no such kind.
        """
        found: list[dict[str, Any]] = json.loads(self("get", *arguments, "-o", "json"))["items"]
        return found
