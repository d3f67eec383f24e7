"""Answers of the ledger as JSON and CSV."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from typing import Any, Final

from bailiwick_sidecar.ledger.queries import Entry, Group

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a cell for a formula (OWASP, CSV injection)."""


def record(answer: Entry | Group) -> dict[str, Any]:
    """The answer as an object: an entry's fields, or a group's keys and then its figures."""
    if isinstance(answer, Entry):
        return asdict(answer)
    figures = asdict(answer)
    del figures["keys"]
    return {**dict(answer.keys), **figures}


def json_list(answers: Iterable[Entry | Group]) -> Iterator[str]:
    """A JSON list with one object a line, piece by piece: an export may be large."""
    before = "[\n"
    for answer in answers:
        yield before + json.dumps(record(answer), ensure_ascii=False)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def csv_lines(answers: Iterable[Entry | Group]) -> Iterator[str]:
    """CSV (RFC 4180) with a header, line by line; tags as JSON in one cell.

    A text that a spreadsheet would run gets an apostrophe before it. Without any answer there is
    an entry's header.
    """
    names: list[str] | None = None
    for answer in answers:
        found = record(answer)
        if names is None:
            names = list(found)
            yield _line(map(cell, names))
        yield _line(cell(found[name]) for name in names)
    if names is None:
        yield _line(name.name for name in fields(Entry))


def cell(value: Any) -> str:
    """The value as a cell of CSV that no spreadsheet runs."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return str(value)


def _line(cells: Iterable[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()
