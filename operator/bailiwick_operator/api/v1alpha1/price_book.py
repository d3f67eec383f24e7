"""PriceBook: dated prices; rating uses the price of the day."""

from typing import Annotated, ClassVar

from msgspec import Meta, field

from bailiwick_operator.api.v1alpha1.base import (
    API_VERSION,
    BY_NAME,
    LABEL_NAME,
    Model,
    ObjectMeta,
    Rule,
    Status,
)
from bailiwick_operator.api.v1alpha1.provider import Price
from bailiwick_operator.api.v1alpha1.scalars import Currency, DnsLabel, ModelName, Timestamp


class PriceEntry(Model, frozen=True, kw_only=True):
    """The price of a model from a day on."""

    name: Annotated[DnsLabel, Meta(description="Name, unique in the book; ledger rows name it.")]
    provider: Annotated[DnsLabel, Meta(description="Name of a ClusterModelProvider.")]
    model: Annotated[ModelName, Meta(description="What the provider calls the model.")]
    from_: Annotated[
        Timestamp,
        Meta(description="Since when it holds, RFC 3339, until a later entry for the model does."),
    ] = field(name="from")
    price: Annotated[Price, Meta(description="Price in the book's currency.")]


class PriceBookSpec(Model, frozen=True, kw_only=True):
    """Dated prices in one currency."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=(
                "self.entries.all(a, !self.entries.exists(b, b.name != a.name"
                " && b.provider == a.provider && b.model == a.model && b.from == a.from))"
            ),
            message="two entries price the same model of the same provider from the same moment",
            cure="keep one of them, or change its from",
            field=".entries",
        ),
    )

    currency: Annotated[Currency, Meta(description="Currency of the prices, ISO 4217.")]
    entries: Annotated[
        tuple[PriceEntry, ...],
        Meta(
            description="Prices; the latest one that has begun holds.",
            min_length=1,
            max_length=256,
            extra_json_schema=BY_NAME,
        ),
    ]


class PriceBook(Model, frozen=True, kw_only=True):
    """Dated prices of models. A price on the provider itself goes first."""

    RULES: ClassVar[tuple[Rule, ...]] = (LABEL_NAME,)

    api_version: str = API_VERSION
    kind: str = "PriceBook"
    metadata: ObjectMeta
    spec: PriceBookSpec
    status: Status | None = None
