"""Short ways to build what the quota tests need."""

from collections.abc import Mapping, Sequence
from typing import Any

from bailiwick_contract.v1.tenant_config_pb2 import Limit
from bailiwick_sidecar.quota.engine import Engine
from bailiwick_sidecar.quota.limits import CompiledLimit, CompiledLimits
from bailiwick_sidecar.quota.model import (
    Amounts,
    AttemptKey,
    Caller,
    Denial,
    Grant,
    LimitKind,
    Reservation,
)

NOW = 1_785_585_600_000
"""2026-08-01T12:00:00Z"""
KIND = LimitKind
Key = AttemptKey | str | int
FAR = 10 * 86_400_000


def caller(
    team: str = "search",
    project: str = "ranking",
    user: str = "ann",
    route: str = "fast",
    tier: str = "shared",
) -> Caller:
    return Caller(team, project, user, route, tier)


def limit(
    limit_id: str,
    kind: LimitKind,
    amount: int,
    *,
    each: Sequence[str] = (),
    unless: Sequence[Mapping[str, str]] = (),
    shadow: bool = False,
    **fixed: str,
) -> CompiledLimit:
    return CompiledLimit(
        limit_id,
        kind,
        amount,
        shadow=shadow,
        fixed=tuple(fixed.items()),
        each=tuple(each),
        unless=tuple(tuple(subject.items()) for subject in unless),
    )


def engine(*limits: CompiledLimit, zone: str = "Europe/Berlin", **options: Any) -> Engine:
    return Engine(CompiledLimits(limits), zone, **options)


def ask(
    key: Key,
    *,
    tokens: int = 1,
    cost: int = 0,
    by: Caller | None = None,
    ttl: int = FAR,
    now: int = NOW,
    after: AttemptKey | None = None,
) -> Reservation:
    """A reservation; `key` is a name, or a name and the number of the attempt."""
    return Reservation(
        key if isinstance(key, tuple) else (str(key), 1),
        by or caller(),
        Amounts(tokens, cost),
        now + ttl,
        after,
    )


def granted(engine: Engine, key: Key, *, now: int = NOW, **options: Any) -> AttemptKey:
    """Reserve; the engine must grant it. Returns the key."""
    reservation = ask(key, now=now, **options)
    answer = engine.reserve(reservation, now)
    assert isinstance(answer, Grant), answer
    return reservation.key


def denied(engine: Engine, key: Key, *, now: int = NOW, **options: Any) -> Denial:
    """Reserve; the engine must refuse it. Returns the denial."""
    answer = engine.reserve(ask(key, now=now, **options), now)
    assert isinstance(answer, Denial), answer
    return answer


def used(engine: Engine, limit_id: str, *, now: int = NOW, by: Caller | None = None) -> int:
    """What the counter of this limit says that applies to the caller."""
    (state,) = [s for s in engine.states(by or caller(), now) if s.limit_id == limit_id]
    return state.used


def message(**fields: Any) -> Limit:
    """A limit of the contract; the least that is accepted, and what is given."""
    least = {
        "id": "Quota/search#tokensPerMinute",
        "kind": Limit.KIND_TOKENS_PER_MINUTE,
        "scope": Limit.SCOPE_NAMESPACE,
        "mode": Limit.MODE_ENFORCE,
        "amount": 100,
    }
    return Limit(**(least | fields))
