"""Answers from one or several ledger files."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from accounting.samples import START, intent, row

from bailiwick_sidecar.accounting.model import Row, RowState, Usage
from bailiwick_sidecar.ledger.errors import LedgerUnreadableError, QueryError
from bailiwick_sidecar.ledger.filters import Filters
from bailiwick_sidecar.ledger.queries import export, moment, show, top
from bailiwick_sidecar.ledger.reading import existing
from bailiwick_sidecar.ledger.rendering import csv_lines, json_list
from bailiwick_sidecar.ledger.rows import Owner
from bailiwick_sidecar.ledger.store import SqliteLedger
from bailiwick_sidecar.quota.model import Caller

DAY = 86_400_000


def made(stream_id: str, attempt: int = 1, *, team: str = "search", **changes: object) -> Row:
    """A row with some of its intent's fields changed."""
    caller = Caller(team=team, project="p", user="alice", route="chat", tier="premium")
    row_fields = {"cost", "usage", "state"} & changes.keys()
    own = {name: changes.pop(name) for name in row_fields}
    return row(
        stream_id, attempt, **own, intent=intent(stream_id, attempt, caller=caller, **changes)
    )


@pytest.fixture
def ledgers(tmp_path: Path) -> tuple[Path, Path]:
    """Two namespaces of one tenant."""
    paths = (tmp_path / "dev.db", tmp_path / "prod.db")
    for path, namespace, rows in (
        (paths[0], "acme-dev", [made("d1", team="chat", cost=10**12)]),
        (
            paths[1],
            "acme-prod",
            [
                made("p1", cost=1, state=RowState.VOID, usage=Usage()),
                made("p1", 2, cost=2 * 10**12 + 5, model="other", tags=(("feature", "x"),)),
                made("p2", team="chat", cost=2**63, admitted_at=START + DAY),
                made("p3", team="chat", cost=2**63, tags=()),
            ],
        ),
    ):
        ledger = SqliteLedger(path, Owner("acme", namespace, "EUR"))
        ledger.write(rows)
        ledger.close()
    return paths


def test_top_adds_up_exactly(ledgers: tuple[Path, Path]) -> None:
    """Sums are exact over files, past what fits into 64 bits, the dearest first."""
    groups = top(ledgers, by=["team"])

    assert [(dict(group.keys)["team"], group.cost) for group in groups] == [
        ("chat", "18446745.073709551616"),
        ("search", "2.000000000006"),
    ]
    search = groups[1]
    assert (search.attempts, search.requests, search.void, search.settled) == (2, 1, 1, 1)
    assert (search.input_tokens, search.total_tokens, search.currency) == (800, 1_000, "EUR")


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (["namespace"], {("acme-dev",): 1, ("acme-prod",): 4}),
        (["team", "alias"], {("chat", "fast"): 3, ("search", "fast"): 2}),
        (["model"], {("gpt-5-mini",): 4, ("other",): 1}),
        (["tag:feature"], {("",): 1, ("summarise",): 3, ("x",): 1}),
        (["tag:absent"], {("",): 5}),
        (["state"], {("settled",): 4, ("void",): 1}),
        (["day"], {("2025-11-21",): 4, ("2025-11-22",): 1}),
        (["user"], {("alice",): 5}),
    ],
)  # fmt: skip
def test_rows_are_grouped(
    ledgers: tuple[Path, Path], by: list[str], expected: dict[tuple[str, ...], int]
) -> None:
    """Rows can be grouped by columns, by tags and by days."""
    groups = top(ledgers, by=by)

    assert {tuple(value for _, value in g.keys): g.attempts for g in groups} == expected


def test_days_begin_in_the_zone(tmp_path: Path) -> None:
    """A row just after midnight in the zone belongs to that day, whatever the day is in UTC."""
    ledger = SqliteLedger(tmp_path / "l.db", Owner("acme", "n", "EUR"))
    for name, time in (("a", "2026-03-01T18:14:59Z"), ("b", "2026-03-01T18:15:00Z")):
        ledger.write([made(name, admitted_at=moment(time))])
    ledger.close()

    groups = top([tmp_path / "l.db"], by=["day"], zone=ZoneInfo("Asia/Kathmandu"))
    assert [dict(group.keys)["day"] for group in groups] == ["2026-03-01", "2026-03-02"]


def test_questions_that_make_no_sense_are_refused(ledgers: tuple[Path, Path]) -> None:
    """An unknown column, a tag's name with a quote in it, no column: each is named."""
    for by in (["colour"], ["tag:"], ['tag:a"b'], ["tag:a' OR 1=1"], [], ["cost_micro"]):
        with pytest.raises(QueryError):
            top(ledgers, by=by)
    with pytest.raises(QueryError, match="no date or time"):
        moment("yesterday")


def test_filters_choose_rows(ledgers: tuple[Path, Path]) -> None:
    """Time is from, inclusive, until, exclusive; other filters are exact."""
    names = lambda **wanted: [  # noqa: E731 - short where it is used
        (entry.stream_id, entry.attempt) for entry in export(ledgers, filters=Filters(**wanted))
    ]

    assert names(since=START + DAY) == [("p2", 1)]
    assert names(until=START + DAY, team="chat") == [("d1", 1), ("p3", 1)]
    assert names(state="void") == [("p1", 1)]
    assert names(model="other") == [("p1", 2)]
    assert names(team="' OR ''='") == []


def test_show_gives_all_attempts_of_a_request(ledgers: tuple[Path, Path]) -> None:
    """First to last, from whichever file has them."""
    assert [(entry.attempt, entry.state) for entry in show(ledgers, "p1")] == [
        (1, "void"),
        (2, "settled"),
    ]
    assert show(ledgers, "nobody") == ()


def test_export_is_one_object_per_attempt(ledgers: tuple[Path, Path]) -> None:
    """JSON is a list of objects whose fields docs/ledger.md names, each of them."""
    found = json.loads("".join(json_list(export(ledgers))))

    assert [(entry["stream_id"], entry["attempt"]) for entry in found] == [
        ("d1", 1),
        ("p1", 1),
        ("p1", 2),
        ("p3", 1),
        ("p2", 1),
    ]
    assert found[0]["admitted_at"] == "2025-11-21T04:40:00.000Z"
    assert (found[0]["cost"], found[0]["tags"]) == ("1.00", {"feature": "summarise"})
    page = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text()
    assert [name for name in found[0] if f"`{name}`" not in page] == []
    assert "".join(json_list(())) == "[]\n"


def test_groups_as_json(ledgers: tuple[Path, Path]) -> None:
    """A group is an object of its keys and sums."""
    (first, *_) = json.loads("".join(json_list(top(ledgers, by=["team", "tag:feature"]))))

    assert (first["team"], first["tag:feature"], first["attempts"]) == ("chat", "summarise", 2)


def test_csv_can_not_be_run(tmp_path: Path) -> None:
    """A cell that a spreadsheet would take for a formula begins with an apostrophe."""
    path = tmp_path / "l.db"
    ledger = SqliteLedger(path, Owner("acme", "n", "EUR"))
    nasty = ["=1+1", "+1", "-1", "@x", "\tx", 'a"b,c\nd']
    ledger.write([made(str(number), team=text) for number, text in enumerate(nasty)])
    ledger.close()

    rows = list(csv.DictReader(io.StringIO("".join(csv_lines(export([path]))), newline="")))
    assert [row["team"] for row in rows] == ["'=1+1", "'+1", "'-1", "'@x", "'\tx", 'a"b,c\nd']
    assert (rows[0]["stream"], rows[0]["cost"]) == ("false", "0.005")
    assert "".join(csv_lines(())).startswith("tenant,namespace,stream_id,attempt,")


def test_missing_and_foreign_files_are_named(tmp_path: Path) -> None:
    """Each message says which file and what to do."""
    with pytest.raises(LedgerUnreadableError, match="there is no ledger"):
        existing([tmp_path / "none.db"])
    foreign = tmp_path / "foreign.db"
    foreign.write_bytes(b"no database" * 100)
    for path in (foreign, tmp_path / "none.db"):
        with pytest.raises(LedgerUnreadableError, match=path.name):
            show([path], "x")


def test_reading_goes_on_while_a_gateway_writes(ledgers: tuple[Path, Path]) -> None:
    """A reader sees whole batches and never waits for the writer, nor the writer for it."""
    ledger = SqliteLedger(ledgers[1], Owner("acme", "acme-prod", "EUR"))
    ledger.write([made("n0")])
    entries = export([ledgers[1]])
    next(entries)
    ledger.write([made("n1")])
    assert len(list(entries)) == 4
    assert len(list(export([ledgers[1]]))) == 6
    ledger.close()


def test_queries_start_without_the_gateway() -> None:
    """The command line's path imports none of the gateway's heavy parts."""
    code = (
        "import sys, bailiwick_sidecar.ledger.rendering\n"
        "heavy = ('grpc', 'envoy_data_plane', 'uvloop', 'httptools', 'google.protobuf', 'orjson',"
        " 'bailiwick_sidecar.quota', 'bailiwick_sidecar.accounting')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout == "[]\n"
