"""Limits and the subjects they hold for; Tenant and Quota share them."""

from enum import Enum
from typing import Annotated, ClassVar

from msgspec import Meta

from bailiwick_operator.api.v1alpha1.base import ATOMIC, ONCE, Model, Rule
from bailiwick_operator.api.v1alpha1.scalars import Count, DnsLabel, ItemName, Money, UserName


class Period(Enum):
    """How long a budget lasts, in the tenant's time zone."""

    DAY = "Day"
    MONTH = "Month"


class Dimension(Enum):
    """A property of a call of which each value may have a counter of its own."""

    TEAM = "Team"
    PROJECT = "Project"
    USER = "User"
    ROUTE = "Route"
    TIER = "Tier"


class Budget(Model, frozen=True, kw_only=True):
    """Money that may be spent in a period."""

    period: Annotated[
        Period, Meta(description="Day or Month; it begins in the tenant's time zone.")
    ]
    amount: Annotated[
        Money, Meta(description='Decimal string in the tenant\'s currency, such as "500.00".')
    ]


Budgets = Annotated[
    tuple[Budget, ...],
    Meta(
        min_length=1,
        max_length=2,
        extra_json_schema={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["period"],
        },
    ),
]
"""At most one budget per period."""


class Limits(Model, frozen=True, kw_only=True):
    """What a subject may use. Absent means unlimited at this level; 0 means nothing."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=(
                "has(self.requestsPerSecond) || has(self.requestsPerMinute)"
                " || has(self.tokensPerMinute) || has(self.concurrentRequests)"
                " || has(self.tokensPerMonth) || has(self.budgets)"
            ),
            message="limits must name at least one limit",
            cure="set a limit such as tokensPerMinute, or remove the whole entry",
        ),
    )

    requests_per_second: Annotated[Count | None, Meta(description="Requests in a second.")] = None
    requests_per_minute: Annotated[
        Count | None, Meta(description="Requests in any 60 seconds.")
    ] = None
    tokens_per_minute: Annotated[
        Count | None, Meta(description="Input and output tokens in any 60 seconds.")
    ] = None
    concurrent_requests: Annotated[
        Count | None, Meta(description="Requests under way at the same time.")
    ] = None
    tokens_per_month: Annotated[
        Count | None,
        Meta(description="Input and output tokens in a calendar month of the tenant's time zone."),
    ] = None
    budgets: Annotated[Budgets | None, Meta(description="Money, one amount per period.")] = None


class Subject(Model, frozen=True, kw_only=True):
    """Whom a limit holds for; {} is the whole namespace (Quota) or tenant (Tenant)."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=(
                "!has(self.each) || self.each.all(d,"
                " !(d == 'Team' && has(self.team)) && !(d == 'Project' && has(self.project))"
                " && !(d == 'User' && has(self.user)) && !(d == 'Route' && has(self.route))"
                " && !(d == 'Tier' && has(self.tier)))"
            ),
            message="a dimension is either named or in each, not both",
            cure="drop the dimension from each, or its name from the subject",
        ),
    )

    team: Annotated[ItemName | None, Meta(description="Name of a team of the Tenant.")] = None
    project: Annotated[ItemName | None, Meta(description="Name of a project.")] = None
    user: Annotated[UserName | None, Meta(description="User as the token names him.")] = None
    route: Annotated[DnsLabel | None, Meta(description="Name of a ModelRoute.")] = None
    tier: Annotated[ItemName | None, Meta(description="Model tier.")] = None
    each: Annotated[
        tuple[Dimension, ...],
        Meta(
            description="Dimensions of which each value has a counter of its own.",
            min_length=1,
            max_length=5,
            extra_json_schema=ATOMIC,
            extra={"cel": (ONCE,)},
        ),
    ] = ()


class NamedLimits(Model, frozen=True, kw_only=True):
    """Limits for a subject, with a name that refusals and conditions use."""

    name: Annotated[DnsLabel, Meta(description="Name, unique in its list.")]
    subject: Annotated[Subject, Meta(description="Whom the limits hold for.")] = Subject()
    limits: Annotated[Limits, Meta(description="What the subject may use.")]
