"""How a namespace leaves its tenant: no new call first, then what is under way, then nothing."""

from dataclasses import dataclass
from datetime import UTC, datetime

from bailiwick_contract.compat import CONTRACT_VERSION
from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_operator.publish.hub import Published
from bailiwick_operator.world import BindingState

REASON = "this namespace is leaving its tenant: no call is accepted any more"

SETTLE_S = 15.0
"""Given to the gateway, after it refuses calls, to settle and ship what was under way."""

LONGEST_S = 120.0
"""After this the namespace goes, whether its gateway answered or not."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet: look again after `seconds`."""

    seconds: float


def denied(newest: Published | None, binding: BindingState) -> TenantConfig:
    """The namespace's config with every call refused; a bare one where none is known."""
    config = TenantConfig(
        contract_version=CONTRACT_VERSION,
        tenant=binding.tenant,
        tenant_uid=binding.tenant_uid,
        namespace=binding.namespace,
    )
    if newest is not None and newest.tenant_uid == binding.tenant_uid:
        config = TenantConfig.FromString(newest.config)
    return deny(config)


def deny(config: TenantConfig) -> TenantConfig:
    """The same config, with every call refused."""
    config.deny_reason = REASON
    return config


def may_go(
    *, leaving_since: str, refusing_since: float | None, pods: int, now: datetime
) -> Wait | None:
    """None where the namespace may be released now.

    `refusing_since` (POSIX seconds) is since when every pod is known to refuse calls; None:
    not yet. A gateway without pods has nothing to settle.
    """
    if pods == 0:
        return None
    try:
        began = datetime.fromisoformat(leaving_since).astimezone(UTC).timestamp()
    except ValueError:
        began = now.timestamp()
    if now.timestamp() - began >= LONGEST_S:
        return None
    if refusing_since is None:
        return Wait(2.0)
    left = refusing_since + SETTLE_S - now.timestamp()
    return Wait(max(left, 0.5)) if left > 0 else None
