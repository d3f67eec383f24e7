"""From the contract's limits to those that the engine works with."""

from typing import Any

import pytest
from quota.building import KIND, caller, limit, message

from bailiwick_contract.v1.tenant_config_pb2 import Dimension, Limit, Subject
from bailiwick_sidecar.quota.limits import CompiledLimit, CompiledLimits, LimitsError
from bailiwick_sidecar.quota.model import LimitKind


def test_a_limit_keeps_everything_that_the_contract_says() -> None:
    """No field of a limit is lost on the way."""
    compiled = CompiledLimits.of(
        [
            message(
                id="Quota/each-user#tokensPerMinute",
                scope=Limit.SCOPE_TENANT,
                mode=Limit.MODE_SHADOW,
                subject=Subject(team="search"),
                each=[Dimension.DIMENSION_TIER, Dimension.DIMENSION_USER],
                unless=[Subject(user="ci-bot", tier="premium")],
                amount=5000,
                thresholds=[80, 100],
            )
        ]
    )

    assert compiled.by_id == {
        "Quota/each-user#tokensPerMinute": CompiledLimit(
            id="Quota/each-user#tokensPerMinute",
            kind=KIND.TOKENS_PER_MINUTE,
            amount=5000,
            shadow=True,
            fixed=(("team", "search"),),
            each=("user", "tier"),
            unless=((("user", "ci-bot"), ("tier", "premium")),),
            thresholds=(80, 100),
            tenant_wide=True,
        )
    }


@pytest.mark.parametrize("kind", [Limit.KIND_BUDGET_DAY, Limit.KIND_BUDGET_MONTH])
def test_a_budget_is_picounits_of_its_decimal_string(kind: LimitKind) -> None:
    """Money is exact: a decimal string becomes a whole number of picounits."""
    compiled = CompiledLimits.of([message(kind=kind, amount=0, money="500.01")])

    assert [found.amount for found in compiled.by_id.values()] == [500_010_000_000_000]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"id": ""}, "no id"),
        ({"kind": Limit.KIND_UNSPECIFIED}, "kind 0 is not known"),
        ({"scope": Limit.SCOPE_UNSPECIFIED}, "scope 0 is not known"),
        ({"mode": Limit.MODE_UNSPECIFIED}, "mode 0 is not known"),
        ({"each": [Dimension.DIMENSION_UNSPECIFIED]}, "dimension in each is not known"),
        ({"each": [Dimension.DIMENSION_USER] * 2}, "in each twice"),
        (
            {"each": [Dimension.DIMENSION_TEAM], "subject": Subject(team="search")},
            "either named or in each",
        ),
        ({"unless": [Subject()]}, "would lift the limit for everyone"),
        ({"money": "1.00"}, "only a budget has money"),
        ({"kind": Limit.KIND_BUDGET_DAY, "money": "1.00"}, "money, not an amount"),
        ({"kind": Limit.KIND_BUDGET_DAY, "amount": 0, "money": "-1"}, "negative"),
        ({"kind": Limit.KIND_BUDGET_DAY, "amount": 0, "money": ""}, "no decimal amount"),
    ],
)
def test_a_limit_without_meaning_is_refused(fields: dict[str, Any], words: str) -> None:
    """What can't take effect is never left out in silence."""
    with pytest.raises(LimitsError, match=words):
        CompiledLimits.of([message(**fields)])


def test_limits_are_refused_as_a_whole_with_every_fault() -> None:
    """One bad limit refuses all, and the message names each fault by the limit's id."""
    bad = [
        message(id="Quota/a#x", kind=Limit.KIND_UNSPECIFIED),
        message(id="Quota/b#x"),
        message(id="Quota/b#x"),
    ]

    with pytest.raises(
        LimitsError, match=r"'Quota/a#x': kind 0.*'Quota/b#x': its id is there twice"
    ):
        CompiledLimits.of(bad)


@pytest.mark.parametrize(
    ("found", "applies"),
    [
        (limit("l", KIND.TOKENS_PER_MINUTE, 1), True),
        (limit("l", KIND.TOKENS_PER_MINUTE, 1, team="search"), True),
        (limit("l", KIND.TOKENS_PER_MINUTE, 1, team="search", tier="shared"), True),
        (limit("l", KIND.TOKENS_PER_MINUTE, 1, team="search", tier="premium"), False),
        (limit("l", KIND.TOKENS_PER_MINUTE, 1, team="support"), False),
        (limit("l", KIND.TOKENS_PER_MINUTE, 1, each=["user"]), True),
        (limit("l", KIND.TOKENS_PER_MINUTE, 1, each=["user", "project"]), False),
        (limit("l", KIND.TOKENS_PER_MINUTE, 1, each=["user"], unless=[{"user": "ann"}]), False),
        (
            limit("l", KIND.TOKENS_PER_MINUTE, 1, each=["user"], unless=[{"user": "bob"}]),
            True,
        ),
        (
            limit(
                "l",
                KIND.TOKENS_PER_MINUTE,
                1,
                each=["team"],
                unless=[{"team": "search", "tier": "premium"}],
            ),
            True,
        ),
    ],
)
def test_which_limits_apply(found: CompiledLimit, *, applies: bool) -> None:
    """Fixed dimensions equal, `each` dimensions present, and no more exact limit instead."""
    asking = caller(project="")

    assert applies == bool(CompiledLimits([found]).applied(asking))


def test_money_counts_only_under_an_enforced_budget() -> None:
    """A caller without an enforced budget needs no price."""
    compiled = CompiledLimits(
        [
            limit("budget", KIND.BUDGET_DAY, 1, team="search"),
            limit("watched", KIND.BUDGET_MONTH, 1, shadow=True),
        ]
    )

    assert compiled.counts_money(caller(team="search"))
    assert not compiled.counts_money(caller(team="support"))
