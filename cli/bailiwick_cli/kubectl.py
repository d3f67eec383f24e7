"""`kubectl`, with the rights of who runs the command: how it speaks to a cluster."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from bailiwick_cli.errors import CommandError

KUBECTL_S: Final = 30
KINDS: Final = (
    "tenants", "clustermodelproviders", "pricebooks", "modelproviders", "modelroutes",
    "modelquotas",
)  # fmt: skip


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
                "there is no kubectl on PATH: install it; files (--file) and a running `bailiwick"
                " up` (--local) need none"
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


def resources(kubectl: Kubectl) -> list[dict[str, Any]]:
    """Everything of Bailiwick that people wrote into the cluster, as they wrote it.

    Raises:
        KubectlError: this user may not read all of it.
    """
    names = ",".join(f"{kind}.bailiwick.dev" for kind in KINDS)
    return [_as_written(one) for one in kubectl.items(names, "--all-namespaces")]


def _as_written(item: dict[str, Any]) -> dict[str, Any]:
    metadata = {
        key: value
        for key, value in item["metadata"].items()
        if key in ("name", "namespace", "labels", "annotations", "creationTimestamp")
    }
    return {key: item[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": metadata}
