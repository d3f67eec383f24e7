"""Telling the gateways of a cluster, through `kubectl` and with its user's own rights."""

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from bailiwick_cli.errors import CommandError
from bailiwick_cli.kubectl import Kubectl
from bailiwick_operator.compile.vault import ROTATE

PAUSE_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Taken:
    """A namespace of which every ready gateway has the notice, after so many seconds."""

    namespace: str
    seconds: float


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
