"""What gateways say of providers' keys, as conditions of the routes that need them. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from bailiwick_contract.v1.config_stream_pb2 import KeyState
from bailiwick_contract.v1.tenant_config_pb2 import Credential, TenantConfig
from bailiwick_operator.conditions import Condition, ConditionType, Reason, Status
from bailiwick_operator.publish.acks import KeyWord, PodAck

WORST_FIRST: Final = (
    KeyState.STATE_REVOKED,
    KeyState.STATE_UNAVAILABLE,
    KeyState.STATE_KEPT,
    KeyState.STATE_TOO_OLD,
    KeyState.STATE_AGING,
)

_REASONS: Final = {
    KeyState.STATE_REVOKED: Reason.CREDENTIAL_REVOKED,
    KeyState.STATE_UNAVAILABLE: Reason.KEY_UNAVAILABLE,
    KeyState.STATE_KEPT: Reason.VAULT_UNREACHABLE,
    KeyState.STATE_TOO_OLD: Reason.KEY_TOO_OLD,
    KeyState.STATE_AGING: Reason.KEY_AGING,
}

_OF_THE_SOURCE: Final = frozenset(
    {
        Reason.VAULT_FAILING,
        Reason.VAULT_LOGIN_REFUSED,
        Reason.VAULT_SEALED,
        Reason.VAULT_SLOW,
        Reason.VAULT_UNREACHABLE,
    }
)
"""Reasons that a pod may give itself where the source is away."""


@dataclass(frozen=True, slots=True)
class _Trouble:
    where: str
    word: KeyWord
    pod: str


def of_route(
    name: str,
    config: TenantConfig,
    acks: Iterable[PodAck],
    *,
    accepted: Condition,
    now: datetime,
) -> list[Condition]:
    """`Accepted` of this route, and `Degraded` where it has keys.

    A key that is not there is the route's mistake and refuses it, though its other backends serve;
    all else is a state of the world.
    """
    route = next((one for one in config.routes if one.name == name), None)
    if route is None or accepted.status is not Status.TRUE:
        return [accepted, _healthy(accepted, now)]
    troubles = _troubles([(one.name, one.provider) for one in route.backends], config, acks)
    missing = [one for one in troubles if one.word.state == KeyState.STATE_MISSING]
    if missing:
        words = "; ".join(f"{one.where}: {one.word.message}" for one in missing)
        without = {one.where for one in missing}
        rest = [one.name for one in route.backends if f"backend {one.name}" not in without]
        serving = f" Meanwhile {', '.join(rest)} serves." if rest else ""
        accepted = replace(
            accepted,
            status=Status.FALSE,
            reason=Reason.KEY_MISSING,
            message=f"{words}.{serving}",
        )
    return [accepted, _degraded(troubles, accepted, now)]


def of_namespaces(
    acks: Mapping[str, Iterable[PodAck]], *, accepted: Condition, now: datetime
) -> Condition:
    """`Degraded` of the Tenant: what its gateways say, by namespace, of any key but a missing one.

    A key that is missing is a mistake in a resource, which says so itself.
    """
    found: dict[tuple[str, tuple[str, str, str], int], _Trouble] = {}
    for namespace in sorted(acks):
        for ack in sorted(acks[namespace], key=lambda one: one.pod):
            for word in ack.keys:
                trouble = _Trouble(f"namespace {namespace}", word, ack.pod)
                found.setdefault((namespace, word.key, word.state), trouble)
    return _degraded(list(found.values()), accepted, now)


def _troubles(
    backends: Sequence[tuple[str, str]], config: TenantConfig, acks: Iterable[PodAck]
) -> list[_Trouble]:
    keys = {
        one.name: (one.credential.mount, one.credential.path, one.credential.key)
        for one in config.providers
        if one.credential.type not in (Credential.TYPE_UNSPECIFIED, Credential.TYPE_NONE)
    }
    found: dict[tuple[str, int], _Trouble] = {}
    for ack in sorted(acks, key=lambda one: one.pod):
        for word in ack.keys:
            for backend, provider in backends:
                if keys.get(provider) == word.key:
                    trouble = _Trouble(f"backend {backend}", word, ack.pod)
                    found.setdefault((backend, word.state), trouble)
    return list(found.values())


def _degraded(troubles: Sequence[_Trouble], like: Condition, now: datetime) -> Condition:
    ranked = sorted(
        (one for one in troubles if one.word.state in WORST_FIRST),
        key=lambda one: (WORST_FIRST.index(one.word.state), one.where),
    )
    if not ranked:
        return _healthy(like, now)
    lines = [
        f"{one.where}: {one.word.message} (since {one.word.since}, says {one.pod})"
        for one in ranked
    ]
    return Condition(
        type=ConditionType.DEGRADED,
        status=Status.TRUE,
        reason=_reason(ranked[0].word),
        message="; ".join(lines) + ".",
        observed_generation=like.observed_generation,
        last_transition_time=now,
    )


def _reason(word: KeyWord) -> Reason:
    """The pod's own reason where it is one that a source may have; else what its state says."""
    if word.state in (KeyState.STATE_KEPT, KeyState.STATE_UNAVAILABLE):
        for reason in _OF_THE_SOURCE:
            if reason.value == word.reason:
                return reason
    return _REASONS[word.state]


def _healthy(like: Condition, now: datetime) -> Condition:
    return Condition(
        type=ConditionType.DEGRADED,
        status=Status.FALSE,
        reason=Reason.HEALTHY,
        message="Nothing that it needs is known to be away.",
        observed_generation=like.observed_generation,
        last_transition_time=now,
    )
