"""Limits: what holds for whom once ceilings, defaults and Quotas are put together.

Every limit that matches a request applies and the smallest decides, with two exceptions that are
settled here, kind by kind. A named subject replaces what an `each` of a default or Quota says of
it. A Quota takes the place of a default with the same subject. A Quota in Shadow mode is an
experiment: it replaces nothing that is enforced. And no Quota is above a ceiling.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from bailiwick_contract.money import decimal_string
from bailiwick_contract.v1.tenant_config_pb2 import Limit
from bailiwick_operator.compile.rules import Origin, Rule
from bailiwick_operator.compile.subjects import Scope
from bailiwick_operator.conditions import Reason

_SCOPE = {
    Origin.CEILING: Limit.SCOPE_TENANT,
    Origin.DEFAULT: Limit.SCOPE_TENANT,
    Origin.QUOTA: Limit.SCOPE_NAMESPACE,
}


def combine(rules: Iterable[Rule], *, tenant: str) -> list[Limit]:
    """The limits in force, by id. A Quota above a ceiling is clamped, and its report says so."""
    by_kind: dict[Limit.Kind, list[Rule]] = defaultdict(list)
    for rule in rules:
        by_kind[rule.figure.kind].append(rule)
    limits: list[Limit] = []
    for group in by_kind.values():
        clamped = _clamped(group, tenant)
        held = [rule for rule in clamped if not _replaced(rule, clamped)]
        limits.extend(_limit(rule, _exceptions(rule, held)) for rule in held)
    return sorted(limits, key=lambda limit: limit.id)


def money_is_limited(rules: Iterable[Rule]) -> bool:
    """True where any rule is a budget."""
    return any(rule.figure.is_money for rule in rules)


def _clamped(rules: Sequence[Rule], tenant: str) -> list[Rule]:
    ceilings = [rule for rule in rules if rule.origin is Origin.CEILING]
    return [
        _below(rule, ceilings, tenant) if rule.origin is Origin.QUOTA else rule for rule in rules
    ]


def _below(quota: Rule, ceilings: Sequence[Rule], tenant: str) -> Rule:
    over = [ceiling for ceiling in ceilings if ceiling.scope.contains(quota.scope)]
    lowest = min(over, key=lambda ceiling: (ceiling.figure.value, ceiling.id), default=None)
    if lowest is None or quota.figure.value <= lowest.figure.value:
        return quota
    quota.report.note(
        quota.figure.path,
        Reason.CLAMPED,
        f"{quota.figure.path} {quota.figure.shown()} is above the ceiling {lowest.figure.shown()} "
        f"of tenant {tenant}",
        cure=f"{lowest.figure.shown()} holds ({lowest.holder} of the Tenant): lower the figure, "
        "or ask the platform team to raise the ceiling",
    )
    return replace(quota, figure=replace(quota.figure, value=lowest.figure.value))


def _replaced(rule: Rule, group: Sequence[Rule]) -> bool:
    # {} is the tenant in a default and the namespace in a Quota: not the same subject.
    return (
        rule.origin is Origin.DEFAULT
        and bool(rule.scope.dimensions)
        and any(
            other.origin is Origin.QUOTA and other.enforced and other.scope == rule.scope
            for other in group
        )
    )


def _exceptions(rule: Rule, group: Sequence[Rule]) -> list[Scope]:
    if rule.origin is Origin.CEILING or not rule.scope.each:
        return []
    named = {
        other.scope
        for other in group
        if other.origin is not Origin.CEILING
        and (other.enforced or not rule.enforced)
        and rule.scope.is_named_by(other.scope)
    }
    return sorted(named, key=lambda scope: scope.fixed)


def _limit(rule: Rule, exceptions: Sequence[Scope]) -> Limit:
    figure = rule.figure
    return Limit(
        id=rule.id,
        kind=figure.kind,
        scope=_SCOPE[rule.origin],
        mode=rule.mode,
        subject=rule.scope.message(),
        each=rule.scope.each_message(),
        amount=0 if figure.is_money else figure.value,
        money=decimal_string(figure.value) if figure.is_money else "",
        unless=[scope.message() for scope in exceptions],
        thresholds=rule.thresholds,
    )
