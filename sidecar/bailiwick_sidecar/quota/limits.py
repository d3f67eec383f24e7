"""A config's limits in the form the engine works with, checked and compiled once.

Which limits apply to a caller is worked out once per caller and kept, so that a config with a
thousand quotas costs a request no more than one with ten.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from bailiwick_contract.errors import BailiwickError
from bailiwick_contract.money import MoneyError, pico
from bailiwick_contract.v1.tenant_config_pb2 import Dimension, Limit, Subject
from bailiwick_sidecar.quota.model import Caller, LimitKind

Values = tuple[tuple[str, str], ...]
"""Dimensions with their values, such as `(("team", "search"), ("tier", "premium"))`."""

DIMENSIONS = ("team", "project", "user", "route", "tier")
REQUEST_DIMENSIONS = frozenset({"route", "tier"})
"""Those that belong to a request; the others belong to who sends it."""
CACHED_CALLERS = 10_000

KINDS = {
    Limit.KIND_REQUESTS_PER_SECOND: LimitKind.REQUESTS_PER_SECOND,
    Limit.KIND_REQUESTS_PER_MINUTE: LimitKind.REQUESTS_PER_MINUTE,
    Limit.KIND_TOKENS_PER_MINUTE: LimitKind.TOKENS_PER_MINUTE,
    Limit.KIND_CONCURRENT_REQUESTS: LimitKind.CONCURRENT_REQUESTS,
    Limit.KIND_TOKENS_PER_MONTH: LimitKind.TOKENS_PER_MONTH,
    Limit.KIND_BUDGET_DAY: LimitKind.BUDGET_DAY,
    Limit.KIND_BUDGET_MONTH: LimitKind.BUDGET_MONTH,
}
BUDGETS = frozenset({LimitKind.BUDGET_DAY, LimitKind.BUDGET_MONTH})
_EACH = {
    Dimension.DIMENSION_TEAM: "team",
    Dimension.DIMENSION_PROJECT: "project",
    Dimension.DIMENSION_USER: "user",
    Dimension.DIMENSION_ROUTE: "route",
    Dimension.DIMENSION_TIER: "tier",
}


class LimitsError(BailiwickError):
    """Limits that no engine may run on; the message lists every fault with the limit's id."""


@dataclass(frozen=True, slots=True)
class CompiledLimit:
    """One limit of one kind. `amount` is a count, or picounits for budgets.

    `fixed` are the dimensions that must have this value; `each` those of which every value has
    a counter of its own; `unless` the subjects for which a more exact limit holds instead.
    """

    id: str
    kind: LimitKind
    amount: int
    shadow: bool = False
    fixed: Values = ()
    each: tuple[str, ...] = ()
    unless: tuple[Values, ...] = ()
    thresholds: tuple[int, ...] = ()
    tenant_wide: bool = False

    def applies(self, caller: Caller) -> bool:
        """True where this caller's requests count against the limit."""
        return (
            _matches(self.fixed, caller)
            and all(getattr(caller, dimension) for dimension in self.each)
            and not any(_matches(subject, caller) for subject in self.unless)
        )

    def may_apply(self, caller: Caller) -> bool:
        """As `applies`, where an empty route or tier stands for any."""
        return (
            all(
                getattr(caller, dimension) in _any_or(dimension, value)
                for dimension, value in self.fixed
            )
            and all(
                getattr(caller, dimension) or dimension in REQUEST_DIMENSIONS
                for dimension in self.each
            )
            and not any(_matches(subject, caller) for subject in self.unless)
        )

    def values(self, caller: Caller) -> Values:
        """What tells this caller's counter from the others of the same limit."""
        return tuple((dimension, getattr(caller, dimension)) for dimension in self.each)


class Applied(NamedTuple):
    """A limit that applies to a caller, and the values that name its counter."""

    limit: CompiledLimit
    values: Values


class CompiledLimits:
    """All limits of one config; either every one is sound, or none is taken."""

    __slots__ = ("applied", "applied_to_sender", "by_id", "counts_money")

    def __init__(self, limits: Iterable[CompiledLimit]) -> None:
        self.by_id = {limit.id: limit for limit in sorted(limits, key=lambda limit: limit.id)}
        self.applied = lru_cache(CACHED_CALLERS)(self._applied)
        """Caller → the limits that apply to it, in the order of their ids."""
        self.applied_to_sender = lru_cache(CACHED_CALLERS)(self._applied_to_sender)
        """As `applied`, where an empty route or tier stands for any."""
        self.counts_money = lru_cache(CACHED_CALLERS)(self._counts_money)
        """Caller → True where an enforced budget applies, so that a price is needed."""

    @classmethod
    def of(cls, messages: Iterable[Limit]) -> "CompiledLimits":
        """The compiled form of `TenantConfig.limits`.

        Raises:
            LimitsError: at least one limit has no meaning; lists the faults of all of them.
        """
        compiled: list[CompiledLimit] = []
        faults: list[str] = []
        seen: set[str] = set()
        for message in messages:
            found = list(_faults(message))
            if message.id in seen:
                found.append("its id is there twice")
            seen.add(message.id)
            if found:
                faults += (f"limit {message.id!r}: {fault}" for fault in found)
            else:
                compiled.append(_compile(message))
        if faults:
            raise LimitsError(
                "the config's limits were refused as a whole, the ones before stay in force: "
                + "; ".join(faults)
            )
        return cls(compiled)

    def _applied(self, caller: Caller) -> tuple[Applied, ...]:
        return tuple(
            Applied(limit, limit.values(caller))
            for limit in self.by_id.values()
            if limit.applies(caller)
        )

    def _applied_to_sender(self, caller: Caller) -> tuple[Applied, ...]:
        return tuple(
            Applied(limit, limit.values(caller))
            for limit in self.by_id.values()
            if limit.may_apply(caller)
        )

    def _counts_money(self, caller: Caller) -> bool:
        return any(limit.kind in BUDGETS and not limit.shadow for limit, _ in self.applied(caller))


def _any_or(dimension: str, value: str) -> tuple[str, ...]:
    return (value, "") if dimension in REQUEST_DIMENSIONS else (value,)


def _matches(values: Values, caller: Caller) -> bool:
    return all(getattr(caller, dimension) == value for dimension, value in values)


def _subject(message: Subject) -> Values:
    return tuple((name, value) for name in DIMENSIONS if (value := getattr(message, name)))


def _faults(message: Limit) -> Iterable[str]:
    if not message.id:
        yield "it has no id"
    if message.kind not in KINDS:
        yield f"kind {message.kind} is not known here"
    if message.scope not in (Limit.SCOPE_TENANT, Limit.SCOPE_NAMESPACE):
        yield f"scope {message.scope} is not known here"
    if message.mode not in (Limit.MODE_ENFORCE, Limit.MODE_SHADOW):
        yield f"mode {message.mode} is not known here"
    if any(dimension not in _EACH for dimension in message.each):
        yield "a dimension in each is not known here"
    elif len(set(message.each)) != len(message.each):
        yield "a dimension is in each twice"
    elif {_EACH[dimension] for dimension in message.each} & dict(_subject(message.subject)).keys():
        yield "a dimension is either named or in each, not both"
    if not all(_subject(subject) for subject in message.unless):
        yield "an empty subject in unless would lift the limit for everyone"
    yield from _amount_faults(message)


def _amount_faults(message: Limit) -> Iterable[str]:
    if KINDS.get(message.kind) not in BUDGETS:
        if message.money:
            yield "only a budget has money"
        return
    if message.amount:
        yield "a budget has money, not an amount"
    try:
        if pico(message.money) < 0:
            yield f"money {message.money!r} is negative"
    except MoneyError as error:
        yield str(error)


def _compile(message: Limit) -> CompiledLimit:
    kind = KINDS[message.kind]
    each = {_EACH[dimension] for dimension in message.each}
    return CompiledLimit(
        id=message.id,
        kind=kind,
        amount=pico(message.money) if kind in BUDGETS else message.amount,
        shadow=message.mode == Limit.MODE_SHADOW,
        fixed=_subject(message.subject),
        each=tuple(dimension for dimension in DIMENSIONS if dimension in each),
        unless=tuple(_subject(subject) for subject in message.unless),
        thresholds=tuple(message.thresholds),
        tenant_wide=message.scope == Limit.SCOPE_TENANT,
    )
