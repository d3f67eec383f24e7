"""Rows rated again with the prices that should have held at their admission.

Nothing is rewritten: where the cost differs an adjustment says so, and where it does not there is
none, so that a second run finds nothing to do.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from sqlalchemy import Connection, RowMapping

from bailiwick_contract.rating import Price, PriceList
from bailiwick_contract.tiers import STANDARD, Charged, Terms, bound, charged, named, told
from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_sidecar.accounting.model import Usage
from bailiwick_sidecar.ledger.adjusted import with_revisions
from bailiwick_sidecar.ledger.adjusting import RERATED, Adjustment, Standing
from bailiwick_sidecar.ledger.errors import QueryError
from bailiwick_sidecar.ledger.filters import Filters
from bailiwick_sidecar.ledger.reading import Source, opened

OK: Final = range(200, 300)
IMAGES: Final = "image_generation"
PriceLists = Mapping[tuple[str, str], PriceList]
"""By provider and model, as ledger rows name them."""


@dataclass(slots=True)
class Tally:
    """Rows of one provider and model. Money in picounits."""

    rows: int = 0
    changed: int = 0
    unpriced: int = 0
    """Left as they were: no price held then, or the model is in no route any more."""
    images: int = 0
    """Left as they were: how many images they were is not on the row."""
    reconciled: int = 0
    """Left as they were: an invoice has decided."""
    before: int = 0
    after: int = 0


@dataclass(slots=True)
class Rerating:
    """What a period costs with other prices."""

    adjustments: list[Adjustment] = field(default_factory=list)
    tallies: dict[tuple[str, str], Tally] = field(default_factory=dict)


def price_lists(config: TenantConfig) -> PriceLists:
    """The prices of every model that the config routes to."""
    return {
        (backend.provider, backend.model): PriceList(backend.prices)
        for route in config.routes
        for backend in route.backends
    }


def version(price: Price) -> str:
    """Twelve hex digits that change with anything in the price but its name."""
    said = f"{price.since} {price.rates} {price.per_image}"
    if price.tiers:
        said += f" {price.tiers}"
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def rerate_ledger(
    ledger: Source, config: TenantConfig, *, filters: Filters, made_at: int, into: Rerating
) -> list[Adjustment]:
    """What has to be adjusted in this ledger, also counted in `into`.

    Raises:
        LedgerUnreadableError: it can't be read.
        QueryError: its rows are in another currency, or another tenant's.
    """
    with opened(ledger) as connection:
        found = list(rerate(connection, config, filters=filters, made_at=made_at, into=into))
    into.adjustments.extend(found)
    return found


def rerate(
    connection: Connection,
    config: TenantConfig,
    *,
    filters: Filters,
    made_at: int,
    into: Rerating,
) -> Iterator[Adjustment]:
    """As `rerate_ledger`, over a connection."""
    prices = price_lists(config)
    query, _ = with_revisions()
    # For this question alone: a connection that keeps it can't insert on PostgreSQL.
    options = {"yield_per": 1000}
    for row in connection.execute(filters.applied(query), execution_options=options):
        found = row._mapping  # noqa: SLF001 - the documented way to a row's columns by name
        _check_owner(found, config)
        tally = into.tallies.setdefault((found["provider"], found["model"]), Tally())
        standing = Standing.of(found)
        tally.rows += 1
        tally.before += standing.cost
        after = _rated_again(found, standing, prices, tally)
        tally.after += after.cost
        if after.cost != standing.cost:
            tally.changed += 1
            yield Adjustment(standing, after, made_at, RERATED, "")


def rerated(row: RowMapping, standing: Standing, price: Price) -> Charged:
    """What the row costs at this price, by the rules that it was settled with.

    Its price source names the service tier that served it. What stands for a whole reservation
    (unknown rows, estimates of unary calls and of answers whose record was lost) costs the most
    that such an attempt could.
    """
    if standing.state == "void" or (row["status"] and row["status"] not in OK):
        return Charged(0, "")
    tier = told(row["price_source"]) or STANDARD
    terms = Terms(price.rates, price.tiers, tier)
    whole = not row["stream"] or row["reason"] == "record_lost"
    if standing.state == "unknown" or (standing.state == "estimated" and whole):
        return bound(terms, input_bound=standing.input_tokens, output_bound=standing.output_tokens)
    used = Usage(
        input=standing.input_tokens,
        output=standing.output_tokens,
        cached_input=row["cached_input_tokens"],
        cache_write=row["cache_write_tokens"],
        audio_input=row["audio_input_tokens"],
        audio_output=row["audio_output_tokens"],
    )
    return charged(terms, tier, used)


def _rated_again(row: RowMapping, standing: Standing, prices: PriceLists, tally: Tally) -> Standing:
    if row["new_reason"] == "reconciled":
        tally.reconciled += 1
        return standing
    listed = prices.get((row["provider"], row["model"]))
    price = listed.at(row["admitted_at"]) if listed else None
    if price is None:
        tally.unpriced += 1
        return standing
    if row["operation"] == IMAGES and standing.cost:
        tally.images += 1
        return standing
    found = rerated(row, standing, price)
    return replace(
        standing,
        revision=standing.revision + 1,
        price_source=named(price.source, found.mark),
        price_version=version(price),
        cost=found.cost,
    )


def _check_owner(row: RowMapping, config: TenantConfig) -> None:
    if row["tenant"] != config.tenant:
        raise QueryError(
            f"the ledger has rows of tenant {row['tenant']!r}, the files make this namespace "
            f"{config.tenant!r}'s: give the files that it was served with"
        )
    if row["currency"] != config.currency:
        raise QueryError(
            f"the ledger has rows in {row['currency']}, the tenant's money is {config.currency} "
            "now; there are no exchange rates: choose a period in one currency with --from and --to"
        )
