"""List prices from the genai-prices package (MIT), as the compiler takes them.

Reads the data that the installed package carries and fetches nothing: a release of the package is
a version of the catalogue, named in each price's source. This is the one module of the compiler
that is not pure, so it stands outside: whoever compiles asks it first.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache

from genai_prices import __version__
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import (
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

from bailiwick_operator.api.v1alpha1 import ClusterModelProvider, ModelProvider
from bailiwick_operator.api.v1alpha1.provider import Price
from bailiwick_operator.compile.inputs import Catalogue, CataloguePrice

SOURCE = f"genai-prices/{__version__}"

_INPUT = ("input_mtok", "input_image_mtok", "input_video_mtok")
_CACHED = ("cache_read_mtok", "cache_image_read_mtok", "cache_audio_read_mtok")
_OUTPUT = (
    "output_mtok",
    "output_reasoning_mtok",
    "output_image_mtok",
    "output_video_mtok",
    "output_citation_mtok",
)
"""Kinds of tokens that a provider's usage tells apart and a ledger row does not: the dearest."""

_MICRO = Decimal("0.000001")


def list_prices(providers: Iterable[ClusterModelProvider | ModelProvider]) -> Catalogue:
    """List prices of every model of these providers that the catalogue knows.

    Only a base URL that the catalogue knows counts: the name of a model says nothing about what
    another host charges for it.
    """
    return ListPrices()(providers)


class ListPrices:
    """List prices, each looked up once: for a process that compiles again and again."""

    def __init__(self, *, remembered: int = 16_384) -> None:
        """`remembered` bounds the models that are kept, least recently used first to go."""
        self._prices = lru_cache(maxsize=remembered)(_listed)

    def __call__(self, providers: Iterable[ClusterModelProvider | ModelProvider]) -> Catalogue:
        """As `list_prices`."""
        catalogue: dict[tuple[str, str], tuple[CataloguePrice, ...]] = {}
        for provider in providers:
            base_url = provider.spec.base_url
            for model in provider.spec.models:
                if prices := self._prices(base_url, model.name):
                    catalogue[base_url, model.name] = prices
        return catalogue


def _listed(base_url: str, model: str) -> tuple[CataloguePrice, ...]:
    found = _find(base_url, model)
    return () if found is None else tuple(dated_prices(found))


def _find(base_url: str, model: str) -> ModelInfo | None:
    try:
        _, found = get_snapshot().find_provider_model(model, None, None, base_url)
    except LookupError:
        return None
    return found


def dated_prices(model: ModelInfo) -> Iterator[CataloguePrice]:
    """The model's prices by the day from which they hold; none where it is not priced by token."""
    conditional = model.prices
    if isinstance(conditional, ModelPrice):
        conditional = [ConditionalPrice(prices=conditional)]
    starts = sorted(
        {
            one.constraint.start_date
            for one in conditional
            if isinstance(one.constraint, StartDateConstraint)
        }
    )
    for start in (None, *starts):
        candidates = _holding(model, conditional, start)
        price = _price(candidates)
        if price is not None:
            since = "" if start is None else f"{start.isoformat()}T00:00:00Z"
            yield CataloguePrice(since, SOURCE, price[0], exact=price[1])


def _holding(
    model: ModelInfo, conditional: list[ConditionalPrice], start: date | None
) -> list[ModelPrice]:
    """The prices of one period: one, or several where they depend on the time of the day."""
    if any(isinstance(one.constraint, TimeOfDateConstraint) for one in conditional):
        return [
            one.prices
            for one in conditional
            if not isinstance(one.constraint, StartDateConstraint)
            or (start is not None and one.constraint.start_date <= start)
        ]
    if start is None:
        return [model.get_prices(datetime.min.replace(tzinfo=UTC))]
    return [model.get_prices(datetime(start.year, start.month, start.day, tzinfo=UTC))]


def _price(candidates: list[ModelPrice]) -> tuple[Price, bool] | None:
    exact = len(candidates) == 1

    def dearest(names: tuple[str, ...]) -> str | None:
        nonlocal exact
        bases = [getattr(price, names[0]) for price in candidates]
        amounts = [
            amount
            for price in candidates
            for name in names
            for amount in _amounts(getattr(price, name))
        ]
        if not amounts:
            return None
        highest = max(amounts)
        if any(base is not None and highest != _base(base) for base in bases):
            exact = False
        return _decimal(highest)

    inputs, outputs = dearest(_INPUT), dearest(_OUTPUT)
    if inputs is None and outputs is None:
        return None
    price = Price(
        input_per_million=inputs or "0",
        cached_input_per_million=dearest(_CACHED),
        output_per_million=outputs or "0",
        cache_write_per_million=dearest(("cache_write_mtok",)),
        input_audio_per_million=dearest(("input_audio_mtok",)),
        output_audio_per_million=dearest(("output_audio_mtok",)),
        per_request=_per_request(candidates),
    )
    return price, exact


def _amounts(price: Decimal | TieredPrices | None) -> Iterator[Decimal]:
    if isinstance(price, TieredPrices):
        yield price.base
        yield from (tier.price for tier in price.tiers)
    elif price is not None:
        yield price


def _base(price: Decimal | TieredPrices) -> Decimal:
    return price.base if isinstance(price, TieredPrices) else price


def _per_request(candidates: list[ModelPrice]) -> str | None:
    amounts = [amount for price in candidates for amount in _amounts(price.requests_kcount)]
    return f"{max(amounts) / 1000:f}" if amounts else None


def _decimal(amount: Decimal) -> str:
    """Per million with at most six decimals, never less than it is."""
    return f"{amount.quantize(_MICRO, rounding=ROUND_CEILING).normalize():f}"
