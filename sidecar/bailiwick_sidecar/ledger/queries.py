"""Questions to one or several ledger files, answered as values.

Reads alone, so that it never waits for a gateway that writes, and imports nothing of the gateway
itself: the command line starts quickly.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, case, create_engine, distinct, func, select
from sqlalchemy.exc import SQLAlchemyError

from bailiwick_contract.money import decimal_string
from bailiwick_sidecar.ledger.errors import LedgerUnreadableError, QueryError
from bailiwick_sidecar.ledger.filters import EVERYTHING, QUARTER, Filters, group_column
from bailiwick_sidecar.ledger.schema import MICRO, SCHEMA_VERSION, attempts

FILE_NAME: Final = "ledger.db"
ZEROS: Final = [0] * 11
STATES: Final = ("settled", "estimated", "void", "unknown")


@dataclass(frozen=True, slots=True)
class Entry:
    """One attempt, as docs/ledger.md describes it. Times are RFC 3339 in UTC."""

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


def existing(candidates: Iterable[Path]) -> tuple[Path, ...]:
    """Those of the files that are there, in order.

    Raises:
        LedgerUnreadableError: none is.
    """
    paths = tuple(candidates)
    found = tuple(path for path in paths if path.exists())
    if not found:
        looked = f"looked for {', '.join(map(str, paths))}" if paths else "no namespace was served"
        raise LedgerUnreadableError(
            f"there is no ledger ({looked}): a gateway writes it with its first call; run "
            "`bailiwick up` with this --data-dir, or name another"
        )
    return found


def top(
    paths: Sequence[Path],
    *,
    by: Sequence[str] = ("team", "model"),
    filters: Filters = EVERYTHING,
    limit: int = 0,
    zone: tzinfo = UTC,
) -> tuple[Group, ...]:
    """Groups in order of cost, then tokens; in order of time where a day is the first key.

    `by` are names of BY or `tag:NAME`, `limit` 0 is all, days begin in `zone`.

    Raises:
        QueryError: rows can't be grouped by this.
        LedgerUnreadableError: a file can't be read.
    """
    sums: dict[tuple[str, ...], list[int]] = {}
    for row in _rows(paths, _grouped(by, filters)):
        values = tuple(row)
        raw, currency, figures = values[: len(by)], values[len(by)], values[len(by) + 1 :]
        named = (
            _day(value, zone) if name == "day" else str(value)
            for name, value in zip(by, raw, strict=True)
        )
        key = (*named, currency)
        sums[key] = [a + (b or 0) for a, b in zip(sums.get(key, ZEROS), figures, strict=True)]
    groups = [_group(by, key, found) for key, found in sums.items()]
    if by[0] == "day":
        groups.sort(key=lambda group: group[1].keys)
    else:
        groups.sort(key=lambda group: (-group[0], -group[1].total_tokens, group[1].keys))
    return tuple(group for _, group in groups[: limit or None])


def show(paths: Sequence[Path], stream_id: str) -> tuple[Entry, ...]:
    """All attempts of one request (`x-request-id`), first to last; empty where it is not there.

    Raises:
        LedgerUnreadableError: a file can't be read.
    """
    query = select(attempts).where(attempts.c.stream_id == stream_id)
    rows = _rows(paths, query.order_by(attempts.c.attempt))
    return tuple(_entry(row) for row in rows)


def export(paths: Sequence[Path], *, filters: Filters = EVERYTHING) -> Iterator[Entry]:
    """One entry per attempt in order of admission, file by file, as they are read.

    Raises:
        LedgerUnreadableError: a file can't be read.
    """
    order = (attempts.c.admitted_at, attempts.c.stream_id, attempts.c.attempt)
    yield from map(_entry, _rows(paths, filters.applied(select(attempts)).order_by(*order)))


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


def _grouped(by: Sequence[str], filters: Filters) -> Select[Any]:
    if not by:
        raise QueryError("rows are grouped by nothing: name a column, such as team")
    keys = [group_column(name) for name in by]
    columns = attempts.c
    states = (func.sum(case((columns.state == state, 1), else_=0)) for state in STATES)
    return filters.applied(
        select(
            *keys,
            columns.currency,
            func.count(),
            # A request is counted in the group of its first attempt, so that groups add up.
            func.count(distinct(case((columns.attempt == 1, columns.stream_id)))),
            func.sum(columns.input_tokens),
            func.sum(columns.output_tokens),
            func.sum(columns.cached_input_tokens),
            func.sum(columns.cost_micro),
            func.sum(columns.cost_rest),
            *states,
        )
    ).group_by(*keys, columns.currency)


def _group(by: Sequence[str], key: tuple[str, ...], sums: list[int]) -> tuple[int, Group]:
    """The group, and its cost in picounits."""
    count, requests, taken, given, cached, micro, rest, *states = sums
    settled, estimated, void, unknown = states
    cost = micro * MICRO + rest
    group = Group(
        keys=tuple(zip(by, key, strict=False)),
        attempts=count,
        requests=requests,
        input_tokens=taken,
        output_tokens=given,
        total_tokens=taken + given,
        cached_input_tokens=cached,
        cost=decimal_string(cost),
        currency=key[-1],
        settled=settled,
        estimated=estimated,
        void=void,
        unknown=unknown,
    )
    return cost, group


_STORED: Final = tuple(name.name for name in fields(Entry) if name.name != "total_tokens")


def _entry(row: Row[Any]) -> Entry:
    found = row._mapping  # noqa: SLF001 - the documented way to a row's columns by name
    kept: dict[str, Any] = {name: found[name] for name in _STORED}
    for name in ("admitted_at", "ended_at"):
        kept[name] = _time(kept[name])
    return Entry(**kept, total_tokens=kept["input_tokens"] + kept["output_tokens"])


def _time(ms: int) -> str:
    moment = datetime.fromtimestamp(ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def _day(quarter: int, zone: tzinfo) -> str:
    return f"{datetime.fromtimestamp(quarter * QUARTER // 1000, zone):%Y-%m-%d}"


def _rows(paths: Sequence[Path], query: Select[Any]) -> Iterator[Row[Any]]:
    for path in paths:
        with _opened(path) as connection:
            yield from connection.execution_options(yield_per=1000).execute(query)


@contextmanager
def _opened(path: Path) -> Iterator[Connection]:
    if not path.exists():
        raise LedgerUnreadableError(
            f"{path} is not there: name the data directory that the gateway writes to"
        )
    engine = create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True),
    )
    try:
        with engine.connect() as connection:
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            if version != SCHEMA_VERSION:
                raise LedgerUnreadableError(
                    f"{path} has schema {version}, this release reads {SCHEMA_VERSION}: use the "
                    "release that wrote it"
                )
            yield connection
    except (SQLAlchemyError, sqlite3.Error, json.JSONDecodeError) as error:
        raise LedgerUnreadableError(
            f"{path} can't be read ({getattr(error, 'orig', None) or error}): check that it is a "
            "ledger, and its mode"
        ) from error
    finally:
        engine.dispose()
