"""Prices: the provider's own, else the PriceBooks' by date, else the catalogue's."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from bailiwick_contract.v1.tenant_config_pb2 import DatedPrice, Rates, ServiceTier
from bailiwick_operator.api.v1alpha1 import PriceBook
from bailiwick_operator.api.v1alpha1.provider import Price, TokenPrice
from bailiwick_operator.compile.findings import Report
from bailiwick_operator.compile.inputs import CATALOGUE_CURRENCY, Catalogue
from bailiwick_operator.compile.providers import ResolvedProvider
from bailiwick_operator.compile.quantities import QuantityError, budget, rate
from bailiwick_operator.conditions import Reason

_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    r"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})\Z",
    re.ASCII,
)

_RATES = (
    ("input_per_million", "inputPerMillion"),
    ("cached_input_per_million", "cachedInputPerMillion"),
    ("output_per_million", "outputPerMillion"),
    ("cache_write_per_million", "cacheWritePerMillion"),
    ("input_audio_per_million", "inputAudioPerMillion"),
    ("output_audio_per_million", "outputAudioPerMillion"),
)

_AMOUNTS = (("per_request", "perRequest"), ("per_image", "perImage"))

BookEntries = Mapping[tuple[str, str], list["BookEntry"]]
"""PriceBook entries by (ClusterModelProvider, model), the earliest first."""


@dataclass(frozen=True, slots=True)
class BookEntry:
    """One entry of a PriceBook; `since` is RFC 3339 in UTC."""

    since: str
    book: str
    name: str
    currency: str
    price: Price


@dataclass(frozen=True, slots=True)
class Known:
    """A price in the tenant's currency, since when it holds, and who says so."""

    since: str
    source: str
    price: Price


@dataclass(frozen=True, slots=True)
class PriceTables:
    """Where prices come from, the tenant's currency among them."""

    books: BookEntries
    catalogue: Catalogue
    currency: str


def involved_books(books: Iterable[PriceBook], providers: Collection[str]) -> list[PriceBook]:
    """The books that price a model of one of these ClusterModelProviders."""
    return [
        book for book in books if any(entry.provider in providers for entry in book.spec.entries)
    ]


def read_books(books: Iterable[PriceBook], providers: Collection[str]) -> BookEntries:
    """Their entries for these providers as far as they can be read; `shared` says which can't."""
    entries: dict[tuple[str, str], list[BookEntry]] = defaultdict(list)
    for book in books:
        for entry in book.spec.entries:
            since = moment(entry.from_) if entry.provider in providers else None
            if since is not None:
                entries[entry.provider, entry.model].append(
                    BookEntry(
                        since, book.metadata.name, entry.name, book.spec.currency, entry.price
                    )
                )
    for dated in entries.values():
        dated.sort(key=lambda entry: (entry.since, entry.book, entry.name))
    return entries


def prices_of(
    provider: ResolvedProvider, model: str, tables: PriceTables, out: Report, *, path: str
) -> list[DatedPrice]:
    """The model's prices in the tenant's currency, by date; empty where there is none.

    What could have been a price but is none, or is not exact, is noted at `path`.
    """
    own = provider.models[model].price
    if own is not None:
        if provider.currency == tables.currency:
            return _dated([Known("", provider.config.name, own)])
        _other_currency(out, path, provider.config.name, provider.currency, tables.currency)
    booked = _from_books(provider, model, tables, out, path=path)
    listed = _from_catalogue(provider, model, tables, out, path=path, booked=bool(booked))
    kept = [price for price in listed if not booked or price.since < booked[0].since]
    return _dated(kept + booked)


def moment(text: str) -> str | None:
    """The RFC 3339 timestamp in UTC with a Z; None where it is none."""
    if not _RFC3339.match(text):
        return None
    try:
        parsed = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return parsed.replace(tzinfo=None, microsecond=0).isoformat() + "Z"


def check_price(price: Price, out: Report, *, path: str) -> None:
    """Refuse a price that is no decimal, or finer than a picounit per token."""
    _check_fields(price, out, path=path)
    for index, tier in enumerate(price.service_tiers):
        _check_fields(tier, out, path=f"{path}.serviceTiers[{index}]")


def _check_fields(price: TokenPrice, out: Report, *, path: str) -> None:
    for fields, read in ((_RATES, rate), (_AMOUNTS, budget)):
        for name, field in fields:
            value = getattr(price, name, None)
            if value is not None:
                try:
                    read(value)
                except QuantityError as error:
                    out.refuse(f"{path}.{field}", Reason.INVALID, str(error), cure=error.cure)


def _from_books(
    provider: ResolvedProvider, model: str, tables: PriceTables, out: Report, *, path: str
) -> list[Known]:
    if not provider.book_name:
        return []
    known: dict[str, Known] = {}
    for entry in tables.books.get((provider.book_name, model), ()):
        source = f"PriceBook/{entry.book}/{entry.name}"
        if entry.currency != tables.currency:
            _other_currency(out, path, source, entry.currency, tables.currency)
        else:
            # Of two books with the same date the first by name holds; the other one says so.
            known.setdefault(entry.since, Known(entry.since, source, entry.price))
    return list(known.values())


def _from_catalogue(
    provider: ResolvedProvider,
    model: str,
    tables: PriceTables,
    out: Report,
    *,
    path: str,
    booked: bool,
) -> list[Known]:
    listed = tables.catalogue.get((provider.base_url, model), ())
    if not listed:
        return []
    if tables.currency != CATALOGUE_CURRENCY:
        if not booked:
            _other_currency(out, path, listed[0].source, CATALOGUE_CURRENCY, tables.currency)
        return []
    if not booked and not all(price.exact for price in listed):
        out.note(
            path,
            Reason.PRICE_IS_UPPER_BOUND,
            f"the price of {model} in {listed[0].source} depends on more than the kind of token; "
            "the dearest case is charged",
            cure="write the price that holds for you into the provider or a PriceBook",
        )
    return [Known(price.since, price.source, price.price) for price in listed]


def _dated(known: Iterable[Known]) -> list[DatedPrice]:
    dated = []
    for price in known:
        try:
            rates = _rates(price.price)
            tiers = [
                ServiceTier(name=tier.name, rates=_rates(tier))
                for tier in sorted(price.price.service_tiers, key=lambda tier: tier.name)
            ]
        except QuantityError:
            # The resource that it stands in says so.
            continue
        # `from` is a keyword of Python: it can only be given by expanding a mapping.
        dated.append(
            DatedPrice(
                **{"from": price.since}, source=price.source, rates=rates, service_tiers=tiers
            )
        )
    return dated


def _rates(price: TokenPrice) -> Rates:
    rates = Rates()
    for fields, read in ((_RATES, rate), (_AMOUNTS, budget)):
        for name, _ in fields:
            # A service tier has no price for images.
            value = getattr(price, name, None)
            if value is not None:
                setattr(rates, name, read(value))
    return rates


def _other_currency(out: Report, path: str, source: str, theirs: str, ours: str) -> None:
    out.note(
        path,
        Reason.CURRENCY_MISMATCH,
        f"the price in {source} is in {theirs or 'no currency'}, the tenant's money in {ours}; "
        "there are no exchange rates",
        cure=f"give a price in {ours}, in the provider or a PriceBook",
    )
