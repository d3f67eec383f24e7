"""`bailiwick ledger`: questions to what the gateways of a data directory wrote down."""

import re
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rich.text import Text

from bailiwick_cli.console import err, new_table, show_table
from bailiwick_cli.datadir import DataDir
from bailiwick_cli.datadir import existing as existing_dir
from bailiwick_cli.errors import CommandError
from bailiwick_cli.problems import counted
from bailiwick_cli.token import UNIT_S
from bailiwick_sidecar.ledger.filters import EVERYTHING, Filters
from bailiwick_sidecar.ledger.queries import (
    FILE_NAME,
    Entry,
    Group,
    export,
    moment,
    show,
    top,
)
from bailiwick_sidecar.ledger.reading import Source, existing
from bailiwick_sidecar.ledger.rendering import csv_lines, json_list, record

GROUP_COLUMNS = (
    "attempts", "requests", "input_tokens", "output_tokens", "cost", "currency",
    "settled", "estimated", "void", "unknown",
)  # fmt: skip
ENTRY_COLUMNS = (
    "admitted_at", "stream_id", "attempt", "namespace", "team", "user", "alias", "provider",
    "model", "state", "status", "input_tokens", "output_tokens", "cost", "currency",
)  # fmt: skip
NUMBERS = frozenset(
    {"attempt", "attempts", "requests", "input_tokens", "output_tokens", "cost", "settled",
     "estimated", "void", "unknown", "status"}
)  # fmt: skip
_AGE = re.compile(r"(\d+)([smhd])")


class QuestionError(CommandError):
    """Options that make no question."""


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked for; `equal` says which columns must have which value."""

    data_dir: Path
    output: str
    namespaces: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None
    time_zone: str | None = None
    equal: Mapping[str, Any] = field(default_factory=dict)
    adjusted: bool = True
    database: str | None = None
    tenant: str | None = None

    def sources(self) -> tuple[Source, ...]:
        """What is read: the database where one is named, else the files of the data directory.

        Raises:
            QuestionError: options that do not go together; and as `ledgers`.
        """
        if self.database is None:
            self._check_tenant()
            return self.ledgers(existing_dir(self.data_dir))
        from bailiwick_sidecar.ledger.postgres import Database  # noqa: PLC0415 - psycopg, where used

        return (Database(self.database, self.tenant or ""),)

    def days(self) -> tzinfo:
        """Where days begin; in a database as asked for, else UTC. Raises as `zone`."""
        if self.database is None:
            self._check_tenant()
            return self.zone(existing_dir(self.data_dir))
        return named_zone(self.time_zone) if self.time_zone else UTC

    def _check_tenant(self) -> None:
        if self.tenant is not None:
            raise QuestionError("--tenant goes with --database: name both, or neither")

    def ledgers(self, data: DataDir) -> tuple[Path, ...]:
        """The files to read; none where gateways served but were never called.

        Raises:
            LedgerUnreadableError: nothing was ever served from here.
            QuestionError: a namespace that was never served from here.
        """
        known = data.namespaces()
        for namespace in self.namespaces:
            if namespace not in known:
                raise QuestionError(
                    f"namespace {namespace!r} was never served from {data.root} "
                    f"(found: {', '.join(known) or 'none'}): correct --namespace or --data-dir"
                )
        if not known:
            return existing(())
        paths = (data.state(name) / FILE_NAME for name in self.namespaces or known)
        return tuple(path for path in paths if path.exists())

    def filters(self, zone: tzinfo, *, now: float) -> Filters:
        """Which rows; `now` in seconds since the epoch, for ages.

        Raises:
            QueryError: a time that is none.
            QuestionError: a period that ends before it begins.
        """
        since = None if self.since is None else when(self.since, zone, now=now)
        until = None if self.until is None else when(self.until, zone, now=now)
        if since is not None and until is not None and since >= until:
            raise QuestionError(
                f"nothing lies from {self.since} until {self.until}: the first is inclusive, the "
                "second is not; give them in order of time"
            )
        return self.narrowed(Filters(since=since, until=until, **self.equal))

    def narrowed(self, filters: Filters) -> Filters:
        """The same of the chosen namespaces alone; of a data directory the files are chosen."""
        return filters if self.database is None else replace(filters, namespaces=self.namespaces)

    def zone(self, data: DataDir) -> tzinfo:
        """Where days begin: as asked for, else as the one zone of the tenants served, else UTC.

        Raises:
            QuestionError: a zone that is none.
        """
        tenants = (data.served() or {}).get("tenants", {}).values()
        zones = {tenant.get("timeZone") for tenant in tenants}
        name = self.time_zone or (zones.pop() if len(zones) == 1 else None)
        return named_zone(name) if name else UTC


def named_zone(name: str) -> tzinfo:
    """The zone of this IANA name; raises QuestionError where there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise QuestionError(
            f"{name!r} is no time zone: write an IANA name such as Europe/Berlin"
        ) from error


def when(text: str, zone: tzinfo, *, now: float) -> int:
    """Milliseconds since the epoch of a date, a time, or an age before `now` (seconds).

    Raises:
        QueryError: it is none of them.
    """
    if age := _AGE.fullmatch(text):
        return int((now - int(age[1]) * UNIT_S[age[2]]) * 1000)
    return moment(text, zone)


def show_top(question: Question, *, by: str, limit: int) -> None:
    """Sums are on stdout, in the form that was asked for."""
    zone = question.days()
    filters = question.filters(zone, now=time.time())
    keys = [key.strip() for key in by.split(",")]
    groups = top(
        question.sources(),
        by=keys,
        filters=filters,
        limit=limit,
        zone=zone,
        adjusted=question.adjusted,
    )
    if question.output == "table":
        _table(groups, (*keys, *GROUP_COLUMNS))
    else:
        _written(groups, output=question.output)


def show_request(question: Question, *, request_id: str) -> None:
    """The request's attempts are on stdout.

    Raises:
        QuestionError: no ledger here knows the request.
    """
    filters = question.narrowed(EVERYTHING)
    entries = show(question.sources(), request_id, filters=filters, adjusted=question.adjusted)
    if not entries:
        raise QuestionError(
            f"no attempt of request {request_id!r} is in the ledger: check the id "
            "(x-request-id of an answer); a call that was refused has no attempt"
        )
    _entries(entries, output=question.output)


def export_rows(question: Question) -> None:
    """One row per attempt is on stdout."""
    filters = question.filters(question.days(), now=time.time())
    entries = export(question.sources(), filters=filters, adjusted=question.adjusted)
    _entries(entries, output=question.output)


def _entries(entries: Iterable[Entry], *, output: str) -> None:
    if output == "table":
        _table(tuple(entries), ENTRY_COLUMNS)
    else:
        _written(entries, output=output)


def _written(answers: Iterable[Entry | Group], *, output: str) -> None:
    sys.stdout.writelines(json_list(answers) if output == "json" else csv_lines(answers))


def _table(answers: Sequence[Entry | Group], columns: Sequence[str]) -> None:
    table = new_table()
    for column in columns:
        heading = column.replace("_", " ")
        table.add_column(heading, justify="right" if column in NUMBERS else "left")
    for answer in answers:
        found = record(answer)
        table.add_row(*(Text(str(found[column])) for column in columns))
    show_table(table)
    err().print(counted(len(answers), "row"), style="dim")
