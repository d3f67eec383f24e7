"""Which limits a call meets, how many such calls each holds, and which is the smallest. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bailiwick_cli.explain.facts import Limit
from bailiwick_cli.explain.written import written
from bailiwick_contract.money import decimal_string
from bailiwick_sidecar.accounting.model import Intent
from bailiwick_sidecar.quota.limits import BUDGETS, CompiledLimit
from bailiwick_sidecar.quota.model import LimitKind

TOKEN_KINDS: Final = frozenset({LimitKind.TOKENS_PER_MINUTE, LimitKind.TOKENS_PER_MONTH})


@dataclass(frozen=True, slots=True)
class Met:
    """What an attempt at one backend would reserve, and the limits that it meets."""

    backend: str
    intent: Intent
    limits: tuple[CompiledLimit, ...]


def applied(met: Sequence[Met]) -> tuple[Limit, ...]:
    """Every limit that an attempt at any of these backends meets, by kind, the smallest first."""
    limits = {limit.id: limit for one in met for limit in one.limits}
    found = [_limit(limit, met) for limit in limits.values()]
    return tuple(sorted(_marked(found), key=_rank))


def _limit(limit: CompiledLimit, met: Sequence[Met]) -> Limit:
    where = [one for one in met if limit in one.limits]
    need = max(_need(limit.kind, one.intent) for one in where)
    money = limit.kind in BUDGETS
    return Limit(
        id=limit.id,
        written=written(limit.id),
        kind=limit.kind.value,
        amount=decimal_string(limit.amount) if money else str(limit.amount),
        needs=decimal_string(need) if money else str(need),
        calls=_calls(limit.amount, need),
        subject=(*limit.fixed, *limit.values(where[0].intent.caller)),
        shadow=limit.shadow,
        backends=() if len(where) == len(met) else tuple(one.backend for one in where),
    )


def _calls(amount: int, need: int) -> int | None:
    if not amount:
        return 0  # allows nothing, not even what costs nothing
    return amount // need if need else None


def _need(kind: LimitKind, intent: Intent) -> int:
    if kind in BUDGETS:
        return intent.cost_bound
    return intent.input_bound + intent.output_bound if kind in TOKEN_KINDS else 1


def _marked(limits: Sequence[Limit]) -> Iterator[Limit]:
    enforced = [limit for limit in limits if not limit.shadow]
    smallest = {limit.kind: limit for limit in sorted(enforced, key=_rank, reverse=True)}
    bounding = [limit for limit in enforced if limit.calls is not None]
    decides = min(bounding, key=lambda limit: (limit.calls or 0, limit.id), default=None)
    for limit in limits:
        yield replace(limit, smallest=smallest.get(limit.kind) is limit, decides=limit is decides)


def _rank(limit: Limit) -> tuple[str, float, str]:
    return limit.kind, float(limit.amount), limit.id
