"""Questions to one or several ledger files, answered as values.

Reads alone, so that it never waits for a gateway that writes, and imports nothing of the gateway
itself: the command line starts quickly.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from sqlalchemy import Row, select

from bailiwick_contract.money import decimal_string
from bailiwick_sidecar.ledger.adjusted import with_revisions
from bailiwick_sidecar.ledger.errors import QueryError
from bailiwick_sidecar.ledger.filters import CALENDAR, EVERYTHING, Filters
from bailiwick_sidecar.ledger.reading import Source, rows
from bailiwick_sidecar.ledger.schema import LATER, MICRO, attempts
from bailiwick_sidecar.ledger.sums import Grouping, GroupKey, Sums, summed

FILE_NAME: Final = "ledger.db"


@dataclass(frozen=True, slots=True)
class Entry:
    """One attempt, as docs/ledger.md describes it. Times are RFC 3339 in UTC.

    State, tokens, cost and price are those of the last adjustment, where there is one.
    """

    tenant: str
    namespace: str
    stream_id: str
    attempt: int
    admitted_at: str
    ended_at: str
    team: str
    project: str
    cost_center: str
    user: str
    route: str
    alias: str
    backend: str
    provider: str
    model: str
    tier: str
    operation: str
    stream: bool
    protocol: str
    state: str
    status: int
    reason: str
    input_tokens: int
    output_tokens: int
    total_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    audio_input_tokens: int
    reasoning_output_tokens: int
    audio_output_tokens: int
    cost: str
    currency: str
    price_source: str
    reserved_input_tokens: int
    reserved_output_tokens: int
    reserved_cost: str
    duration_ms: int
    first_byte_ms: int
    tags: dict[str, str] = field(hash=False)
    adjustment: str
    """Part of the cost that was not on the row as it was written."""
    revision: int
    """How often the row was adjusted."""
    provider_key: str
    """Which key it left with, by where that lies and its version; empty: none, or not known."""
    provider_key_id: str
    """What the provider calls that key."""


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that agree in what they were grouped by, in one currency."""

    keys: tuple[tuple[str, str], ...]
    """What they were grouped by, with this group's values."""
    attempts: int
    requests: int
    input_tokens: int
    output_tokens: int
    total_tokens: int
    cached_input_tokens: int
    cost: str
    currency: str
    settled: int
    estimated: int
    void: int
    unknown: int
    adjustment: str


def top(
    paths: Sequence[Source],
    *,
    by: Sequence[str] = ("team", "model"),
    filters: Filters = EVERYTHING,
    limit: int = 0,
    zone: tzinfo = UTC,
    adjusted: bool = True,
) -> tuple[Group, ...]:
    """Groups in order of cost, then tokens; in order of time where a day is the first key.

    `by` are names of BY or `tag:NAME`, `limit` 0 is all, days begin in `zone`; `adjusted` False
    leaves adjustments out.

    Raises:
        QueryError: rows can't be grouped by this.
        LedgerUnreadableError: a file can't be read.
    """
    sums = summed(paths, Grouping(by, filters, zone, adjusted))
    groups = [(found.total_cost, _group(by, key, found)) for key, found in sums.items()]
    if by[0] in CALENDAR:
        groups.sort(key=lambda group: group[1].keys)
    else:
        groups.sort(key=lambda group: (-group[0], -group[1].total_tokens, group[1].keys))
    return tuple(group for _, group in groups[: limit or None])


def namespaces(paths: Sequence[Source], filters: Filters) -> tuple[str, ...]:
    """The namespaces that have such rows, sorted.

    Raises:
        LedgerUnreadableError: a file can't be read.
    """
    query = filters.applied(select(attempts.c.namespace)).distinct()
    return tuple(sorted({row[0] for row in rows(paths, query)}))


def show(
    paths: Sequence[Source],
    stream_id: str,
    *,
    filters: Filters = EVERYTHING,
    adjusted: bool = True,
) -> tuple[Entry, ...]:
    """All attempts of one request (`x-request-id`), first to last; empty where it is not there.

    Raises:
        LedgerUnreadableError: a file can't be read.
    """
    query, _ = with_revisions()
    query = filters.applied(query).where(attempts.c.stream_id == stream_id)
    found = rows(paths, query.order_by(attempts.c.attempt))
    return tuple(_entry(row, adjusted=adjusted) for row in found)


def export(
    paths: Sequence[Source], *, filters: Filters = EVERYTHING, adjusted: bool = True
) -> Iterator[Entry]:
    """One entry per attempt in order of admission, file by file, as they are read.

    Raises:
        LedgerUnreadableError: a file can't be read.
    """
    order = (attempts.c.admitted_at, attempts.c.stream_id, attempts.c.attempt)
    query, _ = with_revisions()
    for row in rows(paths, filters.applied(query).order_by(*order)):
        yield _entry(row, adjusted=adjusted)


def moment(text: str, zone: tzinfo = UTC) -> int:
    """Milliseconds since the epoch of a date (its beginning in the zone) or RFC 3339 time.

    Raises:
        QueryError: it is neither.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise QueryError(
            f"{text!r} is no date or time: write 2026-08-01 or 2026-08-01T12:00:00Z"
        ) from error
    return int((found if found.tzinfo else found.replace(tzinfo=zone)).timestamp() * 1000)


def _group(by: Sequence[str], key: GroupKey, sums: Sums) -> Group:
    return Group(
        keys=tuple(zip(by, key, strict=False)),
        attempts=sum(sums.count.values()),
        requests=sums.requests,
        input_tokens=sums.input,
        output_tokens=sums.output,
        total_tokens=sums.input + sums.output,
        cached_input_tokens=sums.cached_input,
        cost=decimal_string(sums.total_cost),
        currency=key[-1],
        settled=sums.count["settled"],
        estimated=sums.count["estimated"],
        void=sums.count["void"],
        unknown=sums.count["unknown"],
        adjustment=decimal_string(sums.adjustment),
    )


_DERIVED: Final = frozenset({"total_tokens", "adjustment", "revision"})
_STORED: Final = tuple(name.name for name in fields(Entry) if name.name not in _DERIVED)
_ADJUSTED: Final = ("state", "input_tokens", "output_tokens", "price_source", "cost")


def _entry(row: Row[Any], *, adjusted: bool) -> Entry:
    found = row._mapping  # noqa: SLF001 - the documented way to a row's columns by name
    kept: dict[str, Any] = {name: found[name] for name in _STORED}
    for name in LATER:
        kept[name] = kept[name] or ""
    for name in ("admitted_at", "ended_at"):
        kept[name] = time_text(kept[name])
    revision = found["new_revision"] or 0 if adjusted else 0
    change = 0
    if revision:
        kept.update({name: found[f"new_{name}"] for name in _ADJUSTED})
        micro = found["new_cost_micro"] - found["cost_micro"]
        change = micro * MICRO + found["new_cost_rest"] - found["cost_rest"]
    return Entry(
        **kept,
        total_tokens=kept["input_tokens"] + kept["output_tokens"],
        adjustment=decimal_string(change),
        revision=revision,
    )


def time_text(ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"
