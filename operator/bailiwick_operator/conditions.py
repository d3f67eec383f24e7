"""Conditions of a resource's status (KEP-1623): what they say and every reason they may give."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

MAX_MESSAGE = 32768
"""Characters that the API machinery allows in a condition's message."""


class ConditionType(StrEnum):
    """What a condition is about."""

    ACCEPTED = "Accepted"
    """Valid, and everything it refers to resolves."""
    PROGRAMMED = "Programmed"
    """Every ready replica serves this generation."""
    DEGRADED = "Degraded"
    """A dependency is down; the message says which, the transition time since when."""
    VAULT_GRANTED = "VaultGranted"
    """Of a Tenant: its gateways may read their keys, where the operator writes that into Vault."""


class Status(StrEnum):
    """Whether it holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Reason(StrEnum):
    """Every reason of every condition, in one place so that nobody invents a second spelling."""

    # Those of a resource that is accepted.
    ACCEPTED = "Accepted"
    CLAMPED = "Clamped"
    CURRENCY_MISMATCH = "CurrencyMismatch"
    MATCHES_NOTHING = "MatchesNothing"
    NO_CALLERS = "NoCallers"
    SECRET_DISCOURAGED = "SecretDiscouraged"  # noqa: S105  # a reason's name, not a secret
    PRICE_IS_UPPER_BOUND = "PriceIsUpperBound"
    SERVICE_ACCOUNTS_UNAVAILABLE = "ServiceAccountsUnavailable"
    TIMEOUT_WIDENED = "TimeoutWidened"
    UNPRICED_MODEL = "UnpricedModel"

    # Those of one that is not.
    ALIAS_CONFLICT = "AliasConflict"
    CONFIG_TOO_LARGE = "ConfigTooLarge"
    DUPLICATE = "Duplicate"
    HOST_NOT_ALLOWED = "HostNotAllowed"
    INVALID = "Invalid"
    KEY_OVER_PLAIN_HTTP = "KeyOverPlainHTTP"
    MODEL_NOT_FOUND = "ModelNotFound"
    NAMESPACE_CLAIMED = "NamespaceClaimed"
    NAMESPACE_RESERVED = "NamespaceReserved"
    OWN_PROVIDERS_NOT_ALLOWED = "OwnProvidersNotAllowed"
    PROVIDER_NOT_ACCEPTED = "ProviderNotAccepted"
    PROVIDER_NOT_ALLOWED = "ProviderNotAllowed"
    REF_NOT_FOUND = "RefNotFound"
    REGION_NOT_ALLOWED = "RegionNotAllowed"
    SECRET_NOT_ALLOWED = "SecretNotAllowed"  # noqa: S105  # as above
    SECRET_IN_SPEC = "SecretInSpec"  # noqa: S105  # a reason's name, not a secret
    SHARED_STORE_REQUIRED = "SharedStoreRequired"
    TENANT_NOT_ACCEPTED = "TenantNotAccepted"
    TIER_NOT_ALLOWED = "TierNotAllowed"
    UNCLAIMED_NAMESPACE = "UnclaimedNamespace"
    UNSUPPORTED = "Unsupported"
    VAULT_PATH_NOT_ALLOWED = "VaultPathNotAllowed"

    # Programmed and Degraded
    PROGRAMMED = "Programmed"
    CONFIG_REFUSED = "ConfigRefused"
    NAMESPACE_NOT_FOUND = "NamespaceNotFound"
    NO_READY_REPLICA = "NoReadyReplica"
    NOT_ACCEPTED = "NotAccepted"
    PROPAGATING = "Propagating"
    CHILDREN_REFUSED = "ChildrenRefused"
    HEALTHY = "Healthy"

    # Of routes, for their providers' keys: KEY_MISSING with Accepted, the others with Degraded.
    KEY_MISSING = "KeyMissing"
    CREDENTIAL_REVOKED = "CredentialRevoked"
    KEY_UNAVAILABLE = "KeyUnavailable"
    VAULT_FAILING = "VaultFailing"
    VAULT_LOGIN_REFUSED = "VaultLoginRefused"
    VAULT_SEALED = "VaultSealed"
    VAULT_SLOW = "VaultSlow"
    VAULT_UNREACHABLE = "VaultUnreachable"
    KEY_TOO_OLD = "KeyTooOld"
    KEY_AGING = "KeyAging"

    # Of the Tenant with Degraded, for what its gateways depend on beside keys.
    LEDGER_FAILING = "LedgerFailing"
    QUOTA_STORE_REFUSED = "QuotaStoreRefused"
    QUOTA_STORE_INCOMPLETE = "QuotaStoreIncomplete"
    QUOTA_STORE_UNREACHABLE = "QuotaStoreUnreachable"

    # Events of a TenantBinding whose namespace leaves its tenant.
    LEAVING = "Leaving"
    SETTLING = "Settling"
    SETTLED = "Settled"
    NOT_SETTLED = "NotSettled"

    # VaultGranted
    GRANTED = "Granted"
    ROLE_TAKEN = "RoleTaken"
    VAULT_REFUSES = "VaultRefuses"
    VAULT_UNAVAILABLE = "VaultUnavailable"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition as it stands in `status.conditions`.

    `last_transition_time` is when `status` last changed, in UTC with whole seconds.
    """

    type: ConditionType
    status: Status
    reason: Reason
    message: str
    observed_generation: int
    last_transition_time: datetime

    def __post_init__(self) -> None:
        if len(self.message) > MAX_MESSAGE:
            object.__setattr__(self, "message", self.message[: MAX_MESSAGE - 1] + "…")
        moment = self.last_transition_time.astimezone(UTC).replace(microsecond=0)
        object.__setattr__(self, "last_transition_time", moment)

    def to_dict(self) -> dict[str, str | int]:
        """The condition as the API server keeps it (RFC 3339 time with a Z)."""
        return {
            "type": self.type.value,
            "status": self.status.value,
            "reason": self.reason.value,
            "message": self.message,
            "observedGeneration": self.observed_generation,
            "lastTransitionTime": self.last_transition_time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


def merge(existing: Sequence[Condition], new: Condition) -> tuple[Condition, ...]:
    """The conditions with `new` in place of the one of its type, sorted by type.

    The transition time moves only with the status, so that saying the same again writes nothing.
    """
    kept = {condition.type: condition for condition in existing}
    old = kept.get(new.type)
    if old is not None and old.status == new.status:
        new = replace(new, last_transition_time=old.last_transition_time)
    kept[new.type] = new
    return tuple(kept[type_] for type_ in sorted(kept))
