"""Limits: what holds for whom once ceilings, defaults and Quotas are put together.

Every limit that matches a request applies and the smallest decides, with two exceptions that are
settled here, kind by kind. A named subject replaces what an `each` of a default or Quota says of
it. A Quota takes the place of a default with the same subject. A Quota in Shadow mode is an
experiment: it replaces nothing that is enforced. And no Quota is above a ceiling.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations

from bailiwick_contract.money import decimal_string
from bailiwick_contract.v1.tenant_config_pb2 import Limit, Subject
from bailiwick_operator.compile.rules import Origin, Rule
from bailiwick_operator.compile.subjects import Scope
from bailiwick_operator.conditions import Reason

_SCOPE = {
    Origin.CEILING: Limit.SCOPE_TENANT,
    Origin.DEFAULT: Limit.SCOPE_TENANT,
    Origin.QUOTA: Limit.SCOPE_NAMESPACE,
}

Fixed = tuple[tuple[str, str], ...]
_ByFixed = dict[Fixed, list[Rule]]


def combine(rules: Iterable[Rule], *, tenant: str) -> list[Limit]:
    """The limits in force, by id. A Quota above a ceiling is clamped, and its report says so."""
    by_kind: dict[Limit.Kind, list[Rule]] = defaultdict(list)
    for rule in rules:
        by_kind[rule.figure.kind].append(rule)
    limits: list[Limit] = []
    for group in by_kind.values():
        clamped = _clamped(group, tenant)
        replaced = _replaced(clamped)
        held = [
            rule
            for rule in clamped
            if rule.origin is not Origin.DEFAULT or rule.scope not in replaced
        ]
        named = _Named(held)
        limits.extend(_limit(rule, named.exceptions(rule)) for rule in held)
    return sorted(limits, key=lambda limit: limit.id)


def money_is_limited(rules: Iterable[Rule]) -> bool:
    """True where any rule is a budget."""
    return any(rule.figure.is_money for rule in rules)


def _clamped(rules: Sequence[Rule], tenant: str) -> list[Rule]:
    ceilings: _ByFixed = defaultdict(list)
    for rule in rules:
        if rule.origin is Origin.CEILING:
            ceilings[rule.scope.fixed].append(rule)
    return [
        _below(rule, ceilings, tenant) if rule.origin is Origin.QUOTA else rule for rule in rules
    ]


def _below(quota: Rule, ceilings: _ByFixed, tenant: str) -> Rule:
    # One that holds over the quota fixes some of what the quota fixes: at most 32 such subjects.
    over = [
        ceiling
        for fixed in _parts(quota.scope.fixed)
        for ceiling in ceilings.get(fixed, ())
        if ceiling.scope.contains(quota.scope)
    ]
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


def _parts(fixed: Fixed) -> Iterator[Fixed]:
    """Every selection from what a subject fixes, in its order."""
    for size in range(len(fixed) + 1):
        yield from combinations(fixed, size)


def _replaced(rules: Iterable[Rule]) -> frozenset[Scope]:
    """Subjects of which a Quota takes the place of a default."""
    # {} is the tenant in a default and the namespace in a Quota: not the same subject.
    return frozenset(
        rule.scope
        for rule in rules
        if rule.origin is Origin.QUOTA and rule.enforced and rule.scope.dimensions
    )


class _Named:
    """Which subjects name what others say of each; by the dimensions of which they speak."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        # Of each subject, whether any rule for it is enforced.
        self._by_dimensions: dict[frozenset[str], dict[Scope, bool]] = defaultdict(dict)
        for rule in rules:
            if rule.origin is not Origin.CEILING:
                scopes = self._by_dimensions[rule.scope.dimensions]
                scopes[rule.scope] = rule.enforced or scopes.get(rule.scope, False)
        self._known: dict[tuple[Scope, bool], list[Subject]] = {}

    def exceptions(self, rule: Rule) -> list[Subject]:
        """The subjects for which this rule does not hold, because another one names them."""
        if rule.origin is Origin.CEILING or not rule.scope.each:
            return []
        key = (rule.scope, rule.enforced)
        if key not in self._known:
            named = [
                scope
                for scope, enforced in self._by_dimensions[rule.scope.dimensions].items()
                if (enforced or not rule.enforced) and rule.scope.is_named_by(scope)
            ]
            self._known[key] = [
                scope.message() for scope in sorted(named, key=lambda scope: scope.fixed)
            ]
        return self._known[key]


def _limit(rule: Rule, exceptions: Sequence[Subject]) -> Limit:
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
        unless=exceptions,
        thresholds=rule.thresholds,
    )
