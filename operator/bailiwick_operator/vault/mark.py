"""Whose a policy in Vault is: one comment line in it. Pure.

Several clusters may write into one Vault, and people too: what does not bear this cluster's mark is
never overwritten and never removed.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_MARK = re.compile(r"^# bailiwick (\{.*\})$", re.MULTILINE)
_PATH = re.compile(r'^path "([^"*+]+)" \{ capabilities = \["read"\] \}$', re.MULTILINE)
_BY_HAND = re.compile(r"^# Tenant (\S+): written from its resources")


@dataclass(frozen=True, slots=True)
class Mark:
    """The cluster (its UID), its tenant, and the auth mount with the role."""

    cluster: str
    tenant: str
    auth_mount: str

    def line(self) -> str:
        """The comment line."""
        said = {"cluster": self.cluster, "tenant": self.tenant, "authMount": self.auth_mount}
        return f"# bailiwick {json.dumps(said, sort_keys=True)}"


def read_mark(policy: str) -> Mark | None:
    """The mark of a policy; None where it has none that can be read."""
    found = _MARK.search(policy)
    if found is None:
        return None
    try:
        said: Mapping[str, Any] = json.loads(found[1])
        return Mark(str(said["cluster"]), str(said["tenant"]), str(said["authMount"]))
    except (ValueError, KeyError):
        return None


def printed_for(policy: str, tenant: str) -> bool:
    """True where the policy is what `bailiwick vault-policy` printed for this tenant."""
    found = _BY_HAND.match(policy)
    return found is not None and found[1] == tenant and read_mark(policy) is None


def paths_of(policy: str) -> frozenset[str]:
    """The paths of the API that such a policy lets read; patterns are none of ours."""
    return frozenset(_PATH.findall(policy))
