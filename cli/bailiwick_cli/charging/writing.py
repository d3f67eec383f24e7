"""Answers about money as a table, CSV or JSON."""

import csv
import io
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rich.text import Text

from bailiwick_cli.console import new_table, show_table
from bailiwick_sidecar.ledger.rendering import cell

_DECIMAL: Final = re.compile(r"-?[0-9]+\.[0-9]+")
Records = Sequence[Mapping[str, Any]]


def write_json(answer: Mapping[str, Any]) -> None:
    """One object is on stdout."""
    sys.stdout.write(json.dumps(answer, ensure_ascii=False, indent=1) + "\n")


def write_csv(columns: Sequence[str], records: Iterable[Mapping[str, Any]]) -> None:
    """RFC 4180 is on stdout; the header too where there is no record.

    A text that a spreadsheet would run gets an apostrophe before it; figures stay figures.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(map(cell, columns))
    for record in records:
        writer.writerow(_figure_or_text(record[column]) for column in columns)
    sys.stdout.write(buffer.getvalue())


def write_table(columns: Sequence[str], records: Records, *, totals: Records = ()) -> None:
    """A table is on stdout, with the totals below a line."""
    table = new_table()
    for column in columns:
        right = any(_is_figure(record[column]) for record in (*records, *totals))
        table.add_column(column.replace("_", " "), justify="right" if right else "left")
    for index, record in enumerate(records):
        last = index == len(records) - 1
        table.add_row(*_texts(columns, record), end_section=last and bool(totals))
    for record in totals:
        table.add_row(*_texts(columns, record), style="bold")
    show_table(table)


def _texts(columns: Sequence[str], record: Mapping[str, Any]) -> list[Text]:
    return [Text(str(record[column])) for column in columns]


def _is_figure(value: Any) -> bool:
    if isinstance(value, str):
        return _DECIMAL.fullmatch(value) is not None
    return isinstance(value, int)


def _figure_or_text(value: Any) -> str:
    return str(value) if _is_figure(value) else cell(value)
