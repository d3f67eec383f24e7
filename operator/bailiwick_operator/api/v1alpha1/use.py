"""How much of limits is used, in the statuses of those who wrote them."""

from typing import Annotated

from msgspec import Meta

from bailiwick_operator.api.v1alpha1.base import Model
from bailiwick_operator.api.v1alpha1.scalars import Timestamp

Used = Annotated[
    str, Meta(description="The fullest limit, such as 31% tokensPerMonth.", max_length=64)
]
UpdatedAt = Annotated[Timestamp | None, Meta(description="When these figures were read.")]


class LimitUse(Model, frozen=True, kw_only=True):
    """How much of one limit is used, rolled up slowly."""

    name: Annotated[
        str,
        Meta(
            description="Of a Quota tokensPerMinute, of a Tenant limits#tokensPerMinute.",
            max_length=128,
        ),
    ]
    limit: Annotated[str, Meta(description="The figure in force after ceilings.", max_length=32)]
    used: Annotated[str, Meta(description="Settled and reserved.", max_length=32)]
    left: Annotated[str, Meta(description="What is left, never below 0.", max_length=32)]
    percent: Annotated[int, Meta(description="Used of limit, rounded down.", ge=0)] = 0
    resets_at: Annotated[
        Timestamp | None, Meta(description="When it would be unused if nothing else came.")
    ] = None
    exhausted_at: Annotated[
        Timestamp | None,
        Meta(
            description=(
                "When a limit of a day or month is used up if it goes on as since its beginning."
            )
        ),
    ] = None
