"""`bailiwick ledger reconcile` with an export of each provider, as a person runs it."""

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from accounting.samples import intent, row
from cli.conftest import Run
from invoices import samples
from msgspec.structs import replace

from bailiwick_sidecar.accounting.model import Row, RowState, Usage
from bailiwick_sidecar.ledger.rows import Owner
from bailiwick_sidecar.ledger.store import SqliteLedger

GOLDEN = Path(__file__).parent / "golden"
OPENAI = "ClusterModelProvider/openai-eu"
FILES = {
    "openai-usage.json": samples.page(samples.used()),
    "openai-costs.json": samples.page(
        samples.charged(0.0035), samples.charged(0.0025, "gpt-5-mini-2025-08-07, output")
    ),
    "openai-usage.csv": samples.OPENAI_USAGE_CSV,
    "openai-costs.csv": samples.OPENAI_COSTS_CSV,
    "anthropic-usage.json": samples.report(samples.ANTHROPIC_USED),
    "anthropic-cost.json": samples.report(samples.ANTHROPIC_CHARGED),
    "azure.csv": samples.AZURE,
    "aws.csv": samples.AWS,
}


def called(stream_id: str, model: str = "gpt-5-mini", **changes: Any) -> Row:
    """800 input tokens (100 of them cached), 200 output tokens, for 0.005."""
    provider = changes.pop("provider", OPENAI)
    usage = changes.pop("usage", Usage(input=800, output=200, cached_input=100))
    return row(
        stream_id,
        usage=usage,
        intent=intent(stream_id, provider=provider, model=model),
        **changes,
    )


def unknown(stream_id: str, cost: int) -> Row:
    return called(
        stream_id, state=RowState.UNKNOWN, status=0, cost=cost, usage=Usage(input=300, output=90)
    )


@pytest.fixture
def ledger(tmp_path: Path) -> Callable[..., Path]:
    """Writes rows of a namespace, and the exports beside them."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    def write(*rows: Row, currency: str = "USD") -> Path:
        folder = tmp_path / ".bailiwick" / "state" / "prod"
        folder.mkdir(parents=True, exist_ok=True)
        ledger = SqliteLedger(folder / "ledger.db", Owner("acme", "prod", currency))
        ledger.write(rows)
        ledger.close()
        return folder / "ledger.db"

    return write


@pytest.mark.parametrize(
    ("case", "provider", "model", "currency", "files"),
    [
        ("openai", "openai", "gpt-5-mini", "USD", ["openai-usage.json", "openai-costs.csv"]),
        ("openai-csv", "openai", "gpt-5-mini", "USD", ["openai-usage.csv"]),
        (
            "anthropic", "anthropic", "claude-sonnet-4", "USD",
            ["anthropic-usage.json", "anthropic-cost.json"],
        ),
        ("azure", "azure", "gpt-5-mini", "EUR", ["azure.csv"]),
        ("aws-cur", "aws-cur", "claude-4-sonnet", "USD", ["aws.csv", "--threshold", "6%"]),
    ],
)  # fmt: skip
def test_each_provider(
    bailiwick: Run,
    ledger: Callable[..., Path],
    golden: Callable[[Path, str], None],
    *,
    case: str,
    provider: str,
    model: str,
    currency: str,
    files: list[str],
) -> None:
    """Drift by day, as CSV; none is over the threshold."""
    ledger(called("a", model), currency=currency)
    mapped = ["--model", f"Claude4Sonnet={model}"] if provider == "aws-cur" else []
    ran = bailiwick(
        "ledger", "reconcile", "--provider", provider, *files, *mapped, "--output", "csv"
    )
    assert (ran.code, ran.err) == (0, "")
    golden(GOLDEN / f"reconcile-{case}.csv", ran.out.replace("\r\n", "\n"))


def test_unknown_rows_are_settled_once(bailiwick: Run, ledger: Callable[..., Path]) -> None:
    """Beside the rows, from what the invoice has left; a second run finds none."""
    path = ledger(called("a"), unknown("u", 2 * 10**9), unknown("v", 2 * 10**9))
    asked = ("ledger", "reconcile", "--provider", "openai", "openai-costs.json", "-o", "json")
    with closing(sqlite3.connect(path)) as connection:
        before = connection.execute("SELECT * FROM attempts").fetchall()

    looked = bailiwick(*asked)
    assert looked.code == 3
    assert "2 unknown rows would be settled: run it with --settle" in looked.err
    assert "gpt-5-mini is over the threshold: 50.00 %" in looked.err
    [said] = json.loads(looked.out)["models"]
    assert (said["cost"], said["billed"], said["drift"]) == ("0.009", "0.006", "0.003")
    assert (said["over"], said["settles"], said["unknown_cost"]) == (True, 2, "0.004")

    done = bailiwick(*asked, "--settle")
    assert done.code == 0
    assert "2 unknown rows settled; no row was changed" in done.err
    [said] = json.loads(done.out)["models"]
    assert (said["drift"], said["drift_percent"], said["unknown"]) == ("0.00", "0.00", 0)
    again = bailiwick(*asked, "--settle")
    assert (again.code, json.loads(again.out)["models"][0]["settles"]) == (0, 0)

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM attempts").fetchall() == before
        kept = connection.execute("SELECT reason, note, cost FROM adjustments").fetchall()
    assert [(reason, cost) for reason, _, cost in kept] == [("reconciled", "0.0005")] * 2
    assert all(note.startswith("openai ") for _, note, _ in kept)
    [total] = json.loads(bailiwick("ledger", "report", "--from", "2025-11-01", "-o", "json").out)[
        "totals"
    ]
    assert (total["cost"], total["unknown"], total["adjustment"]) == ("0.006", 0, "-0.003")


def test_keys_are_told_apart(bailiwick: Run, ledger: Callable[..., Path]) -> None:
    """A key that is not the ledger's shows as drift of its own."""
    ledger(called("a"))
    asked = ("ledger", "reconcile", "--provider", "openai", "openai-usage.json", "-o", "json")
    ours = bailiwick(*asked, "--key", "key_1=openai-eu")
    assert (ours.code, json.loads(ours.out)["models"][0]["key"]) == (0, "openai-eu")

    other = bailiwick(*asked, "--key", "key_2=openai-eu")
    assert other.code == 3
    assert [(one["key"], one["over"]) for one in json.loads(other.out)["models"]] == [
        ("key_1", True), ("openai-eu", True),
    ]  # fmt: skip


def keyed(stream_id: str, key: str, key_id: str = "", **changes: Any) -> Row:
    """A call that left with this key."""
    made = called(stream_id, **changes)
    named = replace(made.intent, provider_key=key, provider_key_id=key_id)
    return replace(made, intent=named)


def test_drift_is_told_by_the_keys_own_ids(
    bailiwick: Run, ledger: Callable[..., Path], tmp_path: Path
) -> None:
    """Where rows and files name them, without an option: each is held against the threshold."""
    ledger(
        keyed("a", "secret/llm/acme#k@1", "key_1"),
        keyed("b", "secret/llm/acme#k@2", "key_2"),
        keyed("v", "", state=RowState.VOID, usage=Usage(), cost=0, status=0),
    )
    used = [samples.used(), samples.used(api_key_id="key_2"), samples.used(api_key_id="key_9")]
    (tmp_path / "used.json").write_text(samples.page(*used))
    asked = ("ledger", "reconcile", "--provider", "openai", "-o", "json")
    ran = bailiwick(*asked, "used.json")

    found = {one["key"]: one["drift_percent"] for one in json.loads(ran.out)["models"]}
    assert (ran.code, found) == (3, {"key_1": "0.00", "key_2": "0.00", "key_9": "100.00"})
    assert "gpt-5-mini behind key_9 is over the threshold" in ran.err
    by = bailiwick(
        "ledger", "report", "--by", "provider-key-id", "--from", "2025-11-01", "-o", "csv"
    )
    assert [line.split(",")[0] for line in by.out.splitlines()] == [
        "provider_key_id", "key_1", "key_2", "",
    ]  # fmt: skip


def test_a_key_is_told_by_where_it_lies(
    bailiwick: Run, ledger: Callable[..., Path], tmp_path: Path
) -> None:
    """All versions of it, or one; what has an id of its own keeps that."""
    place = "secret/llm/acme#k"
    ledger(keyed("a", f"{place}@1"), keyed("b", f"{place}@2"), keyed("c", "x#k@1", "key_3"))
    used = [samples.used(api_key_id=f"key_{number}") for number in (1, 2, 3)]
    (tmp_path / "used.json").write_text(samples.page(*used))
    asked = ("ledger", "reconcile", "--provider", "openai", "used.json", "-o", "json")

    def told(*keys: str) -> dict[str, str]:
        ran = bailiwick(*asked, *(part for key in keys for part in ("--key", key)))
        return {one["key"]: one["drift_percent"] for one in json.loads(ran.out)["models"]}

    assert told(f"key_1={place}@1", f"key_2={place}@2") == {
        f"{place}@1": "0.00", f"{place}@2": "0.00", "key_3": "0.00",
    }  # fmt: skip
    assert told(f"key_1={place}", f"key_2={place}") == {place: "0.00", "key_3": "0.00"}
    assert told(f"key_1={place}@1") == {
        f"{place}@1": "0.00", f"{place}@2": "100.00", "key_2": "100.00", "key_3": "0.00",
    }  # fmt: skip


def test_keys_that_are_known_in_part_are_not_told_apart(
    bailiwick: Run, ledger: Callable[..., Path]
) -> None:
    """In the month in which ids came into Vault the sums still agree, and it is said."""
    ledger(keyed("a", "secret/llm/acme#k@1"), keyed("b", "secret/llm/acme#k@2", "key_1"))
    asked = ("ledger", "reconcile", "--provider", "openai", "openai-usage.json", "-o", "json")
    ran = bailiwick(*asked, "--threshold", "100%")

    assert [one["key"] for one in json.loads(ran.out)["models"]] == [""]
    assert "some rows have no key id: keys are not told apart" in ran.err


def test_an_unknown_row_is_settled_by_its_own_key(
    bailiwick: Run, ledger: Callable[..., Path], tmp_path: Path
) -> None:
    """What was billed behind another key does not pay for it."""
    lost = unknown("u", 2 * 10**9)
    named = replace(lost.intent, provider_key="secret/k#k@2", provider_key_id="key_2")
    ledger(keyed("a", "secret/k#k@1", "key_1"), replace(lost, intent=named))
    costs = [samples.charged(0.005, api_key_id="key_1"), samples.charged(0.001, api_key_id="key_2")]
    (tmp_path / "costs.json").write_text(samples.page(*costs))
    asked = ("ledger", "reconcile", "--provider", "openai", "costs.json", "-o", "json", "--settle")
    ran = bailiwick(*asked)

    assert ran.code == 0
    found = {one["key"]: (one["cost"], one["unknown"]) for one in json.loads(ran.out)["models"]}
    assert found == {"key_1": ("0.005", 0), "key_2": ("0.001", 0)}


def test_a_table_has_the_period_below_the_days(bailiwick: Run, ledger: Callable[..., Path]) -> None:
    """One line for each day, one for all of them."""
    ledger(called("a"))
    ran = bailiwick("ledger", "reconcile", "--provider", "openai", "openai-costs.csv")
    days = [line.split()[0] for line in ran.out.splitlines() if "gpt-5-mini" in line]
    assert (ran.code, days) == (0, ["2025-11-21", "all"])


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("openai-usage.json",), 2, "--provider"),
        (("--provider", "openai"), 2, "FILE"),
        (("--provider", "ours", "x"), 2, "'ours'"),
        (("--provider", "openai", "missing.json"), 1, "missing.json can't be read"),
        (("--provider", "aws-cur", "azure.csv"), 1, "no column lineItem/UsageStartDate"),
        (("--provider", "openai", "openai-usage.json", "--threshold", "much"), 1, "percentage"),
        (("--provider", "openai", "openai-usage.json", "--of", "nobody"), 1, "found: openai-eu"),
        (("--provider", "openai", "openai-usage.json", "--key", "k"), 1, "KEY-ID=PROVIDER"),
        (("--provider", "openai", "openai-usage.json", "--key", "k=a#b@1"), 1, "found: none"),
        (("--provider", "openai", "openai-costs.csv", "--exchange-rate", "0"), 1, "is no rate"),
    ],
)
def test_mistakes_are_named(
    bailiwick: Run,
    ledger: Callable[..., Path],
    arguments: tuple[str, ...],
    code: int,
    says: str,
) -> None:
    """What is wrong, and what to do; nothing on standard output."""
    ledger(called("a"))
    ran = bailiwick("ledger", "reconcile", *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert says in ran.err


def test_several_providers_have_to_be_named(bailiwick: Run, ledger: Callable[..., Path]) -> None:
    """Whose rows the files are about can't be guessed."""
    ledger(called("a"), called("b", provider="ClusterModelProvider/azure-eu"))
    asked = ("ledger", "reconcile", "--provider", "openai", "openai-usage.json")
    ran = bailiwick(*asked)
    assert ran.code == 1
    assert "azure-eu, openai-eu in this period: name those" in ran.err
    assert bailiwick(*asked, "--of", "openai-eu").code == 0


def test_an_empty_ledger_is_all_drift(bailiwick: Run, ledger: Callable[..., Path]) -> None:
    """Somebody used the key, and it was not this gateway."""
    ledger()
    ran = bailiwick("ledger", "reconcile", "--provider", "openai", "openai-costs.csv")
    assert ran.code == 3
    assert "gpt-5-mini-2025-08-07 is over the threshold: 100.00 %" in ran.err


def test_another_currency_is_compared_at_a_rate(
    bailiwick: Run, ledger: Callable[..., Path]
) -> None:
    """Without one money is left out, and nothing to compare is no success."""
    ledger(called("a"), currency="EUR")
    asked = ("ledger", "reconcile", "--provider", "openai", "openai-costs.csv", "-o", "json")
    without = bailiwick(*asked)
    assert (without.code, without.out) == (1, "")
    assert "give --exchange-rate" in without.err
    tokens = bailiwick(*asked, "openai-usage.json")
    assert (tokens.code, json.loads(tokens.out)["models"][0]["billed"]) == (0, "")
    assert "money is not compared" in tokens.err
    said = json.loads(bailiwick(*asked, "--exchange-rate", "0.9", "--threshold", "12%").out)
    assert (said["models"][0]["billed"], said["models"][0]["drift_percent"]) == ("0.0045", "11.12")


def test_what_is_not_complete_settles_nothing(
    bailiwick: Run, ledger: Callable[..., Path], tmp_path: Path
) -> None:
    """A day that is not over, and pages of which more follow."""
    now = int(time.time()) + 3600
    lost = unknown("u", 2 * 10**9)
    ledger(replace(lost, intent=replace(lost.intent, admitted_at=now * 1000)))
    asked = ("ledger", "reconcile", "--provider", "openai", "now.json", "--settle")
    charged = samples.charged(0.001)

    (tmp_path / "now.json").write_text(samples.page(charged, start=now))
    today = bailiwick(*asked)
    assert today.code == 3
    assert "0 unknown rows settled" in today.err
    (tmp_path / "now.json").write_text(samples.page(charged, start=now, has_more=True))
    more = bailiwick(*asked)
    assert (more.code, more.out) == (1, "")
    assert "more follow" in more.err
