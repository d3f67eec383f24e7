"""Telling the gateways of a cluster, through `kubectl` and with its user's own rights."""

import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from bailiwick_cli.errors import CommandError
from bailiwick_operator.compile.vault import ROTATE

PAUSE_S: Final = 0.2
KUBECTL_S: Final = 30


class KubectlError(CommandError):
    """`kubectl` is missing, or says no; the message has its words."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A namespace of which every ready gateway has the notice, after so many seconds."""

    namespace: str
    seconds: float


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
                "there is no kubectl on PATH: install it, or use --local for a running"
                " `bailiwick up`"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise KubectlError(f"kubectl did not answer within {KUBECTL_S} s") from error
        if ran.returncode:
            # The last line is for people, what comes before it are kubectl's own logs.
            said = ran.stderr.strip().splitlines() or [f"it ended with {ran.returncode}"]
            raise KubectlError(f"kubectl: {said[-1]}")
        return ran.stdout


def tell(tenant: str, *, kubectl: Kubectl, within: float) -> list[Taken]:
    """Every ready gateway of the tenant has the notice.

    Raises:
        KubectlError: the tenant is not there, or may not be changed by this user.
        CommandError: a namespace did not take it in time.
    """
    resource = f"tenants.bailiwick.dev/{tenant}"
    before = _digests(json.loads(kubectl("get", resource, "-o", "json")))
    notice = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    began = time.monotonic()
    kubectl("annotate", resource, f"{ROTATE}={notice}", "--overwrite")
    taken: dict[str, float] = {}
    while len(taken) < len(before):
        for name, digest in _digests(json.loads(kubectl("get", resource, "-o", "json"))).items():
            if digest and digest != before.get(name):
                taken.setdefault(name, time.monotonic() - began)
        if time.monotonic() - began > within:
            behind = ", ".join(sorted(before.keys() - taken.keys()))
            if behind:
                raise CommandError(
                    f"{behind}: not every gateway took the notice within {within:g} s. See `kubectl"
                    f" describe tenant {tenant}`; a namespace none of whose routes needs a key of"
                    " Vault takes none"
                )
        time.sleep(PAUSE_S)
    return [Taken(name, taken[name]) for name in sorted(taken)]


def _digests(tenant: dict[str, Any]) -> dict[str, str]:
    """By namespace, the config that every ready gateway serves; empty where not all do."""
    found = tenant.get("status", {}).get("namespaces") or ()
    return {one["name"]: one.get("digest", "") for one in found if one.get("bound")}
