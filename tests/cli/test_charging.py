"""The ledger's commands about money, as a person runs them."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from accounting.samples import intent, row
from cli.conftest import Run

from bailiwick_sidecar.accounting.model import Row, RowState, Usage
from bailiwick_sidecar.ledger.rows import Owner
from bailiwick_sidecar.ledger.store import SqliteLedger
from bailiwick_sidecar.quota.model import Caller

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / "examples" / "quickstart"
ECHO = "ClusterModelProvider/echo"


def called(stream_id: str, *, team: str = "search", center: str = "4711", **changes: Any) -> Row:
    """A row as the quickstart's gateway writes it, at a price that was twice too high."""
    caller = Caller(team=team, project="p", user="ann", route="chat", tier="shared")
    said = intent(stream_id, caller=caller, cost_center=center, provider=ECHO, model="echo")
    usage = changes.pop("usage", Usage(input=1_000_000, output=1_000_000))
    return row(stream_id, usage=usage, cost=4_500_000_000_000, intent=said, **changes)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data directory of an `up` that served the namespace demo."""
    folder = tmp_path / ".bailiwick" / "state" / "demo"
    folder.mkdir(parents=True)
    ledger = SqliteLedger(folder / "ledger.db", Owner("demo", "demo", "USD"))
    ledger.write(
        [
            called("a"),
            called("b", team="support", center="=4712"),
            called("c", state=RowState.UNKNOWN, status=0),
        ]
    )
    ledger.close()
    return folder


@pytest.mark.usefixtures("data")
def test_a_report_as_table_csv_and_json(bailiwick: Run) -> None:
    """Exact money, a total, what is not sure; no cell that a spreadsheet would run."""
    asked = ("ledger", "report", "--from", "2025-11-01", "--to", "2025-12-01")
    table = bailiwick(*asked)
    assert table.code == 0
    [total] = [line for line in table.out.splitlines() if line.startswith("total")]
    assert total.split()[1:4] == ["13.50", "USD", "100.00"]

    lines = list(csv.DictReader(io.StringIO(bailiwick(*asked, "--output", "csv").out)))
    assert list(lines[0]) == [
        "cost_center", "currency", "cost", "share_percent", "settled_cost", "estimated_cost",
        "unknown_cost", "adjustment", "attempts", "requests", "estimated", "unknown",
        "input_tokens", "cached_input_tokens", "output_tokens",
    ]  # fmt: skip
    assert [(line["cost_center"], line["cost"], line["unknown_cost"]) for line in lines] == [
        ("4711", "9.00", "4.50"), ("'=4712", "4.50", "0.00"),
    ]  # fmt: skip

    said = json.loads(bailiwick(*asked, "-o", "json", "--by", "team,tag:feature").out)
    assert (said["from"], said["by"]) == ("2025-11-01T00:00:00.000Z", ["team", "tag:feature"])
    assert [(line["team"], line["tag:feature"]) for line in said["lines"]] == [
        ("search", "summarise"), ("support", "summarise"),
    ]  # fmt: skip
    assert [total["cost"] for total in said["totals"]] == ["13.50"]


@pytest.mark.usefixtures("data")
def test_a_period_without_calls_is_an_empty_report(bailiwick: Run) -> None:
    """The header still, and no total."""
    asked = ("ledger", "report", "--from", "2035-11-01", "--output")
    assert bailiwick(*asked, "csv").out.startswith("cost_center,currency,cost,")
    assert json.loads(bailiwick(*asked, "json").out)["lines"] == []
    assert bailiwick(*asked, "table").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("report",), 2, "--from"),
        (("report", "--from", "soon"), 1, "'soon' is no date or time"),
        (("report", "--from", "2025-12-01", "--to", "2025-11-01"), 1, "in order of time"),
        (("report", "--from", "1d", "--by", "colour"), 1, "can't be grouped by 'colour'"),
        (("report", "--from", "1d", "--output", "xml"), 2, "'xml'"),
        (("rerate", "--from", "2025-11-01"), 2, "--file"),
        (("rerate", "--from", "2025-11-01", "-f", "missing.yaml"), 1, "bailiwick validate"),
        (("rerate", "--from", "2025-11-01", "-f", str(ROOT / "examples" / "acme")), 1, "'demo'"),
    ],
)
@pytest.mark.usefixtures("data")
def test_mistakes_are_named(
    bailiwick: Run, arguments: tuple[str, ...], code: int, says: str
) -> None:
    """What is wrong, and what to do; nothing on standard output."""
    ran = bailiwick("ledger", *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert says in ran.err


def test_a_dry_run_writes_nothing_and_a_second_run_neither(bailiwick: Run, data: Path) -> None:
    """A corrected price shows in the report once it is written; as written on request."""
    asked = ("ledger", "rerate", "--from", "2025-11-01", "-f", QUICKSTART)
    dry = bailiwick(*asked, "--dry-run", "--output", "json")
    assert json.loads(dry.out) == {
        "dryRun": True,
        "adjustments": 3,
        "models": [
            {
                "provider": ECHO, "model": "echo", "rows": 3, "changed": 3, "before": "13.50",
                "after": "6.75", "change": "-6.75", "unpriced": 0, "images": 0, "reconciled": 0,
                "currency": "USD",
            }
        ],
    }  # fmt: skip
    assert "would be written" in dry.err
    assert _total(bailiwick) == ("13.50", "0.00")

    assert "3 adjustments written" in bailiwick(*asked).err
    assert _total(bailiwick) == ("6.75", "-6.75")
    assert _total(bailiwick, "--as-written") == ("13.50", "0.00")
    again = bailiwick(*asked, "--output", "csv")
    assert "nothing to adjust" in again.err
    assert again.out.splitlines()[1].startswith(f"{ECHO},echo,3,0,6.75,6.75,0.00,USD")
    [entry] = json.loads(bailiwick("ledger", "show", "a", "--format", "json").out)
    assert (entry["cost"], entry["adjustment"], entry["revision"]) == ("2.25", "-2.25", 1)
    [entry] = json.loads(bailiwick("ledger", "show", "a", "--format", "json", "--as-written").out)
    assert (entry["cost"], entry["revision"]) == ("4.50", 0)
    assert data.joinpath("ledger.db").stat().st_mode & 0o777 == 0o600


def _total(bailiwick: Run, *more: str) -> tuple[str, str]:
    asked = ("ledger", "report", "--from", "2025-11-01", "--output", "json", *more)
    [total] = json.loads(bailiwick(*asked).out)["totals"]
    return total["cost"], total["adjustment"]
