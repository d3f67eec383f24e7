"""`bailiwick ledger report`: who is charged what."""

import time
from dataclasses import asdict, fields
from typing import Any

from bailiwick_cli.charging.writing import write_csv, write_json, write_table
from bailiwick_cli.console import err
from bailiwick_cli.ledger import Question
from bailiwick_cli.problems import counted
from bailiwick_sidecar.ledger.queries import time_text
from bailiwick_sidecar.ledger.report import Line, report
from bailiwick_sidecar.ledger.sums import Grouping

FIGURES = tuple(field.name for field in fields(Line) if field.name != "keys")
TABLE = (
    "cost", "currency", "share_percent", "estimated_cost", "unknown_cost", "adjustment",
    "attempts", "estimated", "unknown", "input_tokens", "output_tokens",
)  # fmt: skip


def show_report(question: Question, *, by: str) -> None:
    """The report is on stdout, in the form that was asked for."""
    zone = question.days()
    filters = question.filters(zone, now=time.time())
    keys = [_column(key.strip()) for key in by.split(",")]
    found = report(question.sources(), Grouping(keys, filters, zone, question.adjusted))
    lines = [_record(line) for line in found.lines]
    if question.output == "csv":
        write_csv((*keys, *FIGURES), lines)
    elif question.output == "json":
        write_json(
            {
                "by": keys,
                "from": None if filters.since is None else time_text(filters.since),
                "to": None if filters.until is None else time_text(filters.until),
                "adjusted": question.adjusted,
                "lines": lines,
                "totals": [_record(line) for line in found.totals],
            }
        )
    else:
        totals = [{**dict.fromkeys(keys, ""), **_record(line)} for line in found.totals]
        for total in totals:
            total[keys[0]] = "total"
        write_table((*keys, *TABLE), lines, totals=totals)
        err().print(counted(len(lines), "row"), style="dim")


def _column(name: str) -> str:
    return name if name.startswith("tag:") else name.replace("-", "_")


def _record(line: Line) -> dict[str, Any]:
    figures = asdict(line)
    del figures["keys"]
    return {**dict(line.keys), **figures}
