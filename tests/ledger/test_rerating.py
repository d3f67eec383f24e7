"""A period rated again: adjustments beside the rows, exact, once, and never a rewrite."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from accounting.samples import RATES, START, intent, row
from hypothesis import given
from hypothesis import strategies as st

from bailiwick_contract.money import decimal_string, pico
from bailiwick_contract.rating import cost, resolve, upper_bound
from bailiwick_contract.v1.tenant_config_pb2 import (
    Backend,
    DatedPrice,
    Rates,
    Route,
    TenantConfig,
)
from bailiwick_sidecar.accounting.model import Row, RowState, Usage
from bailiwick_sidecar.ledger.adjusting import Adjustment, record
from bailiwick_sidecar.ledger.errors import LedgerUnavailableError, QueryError
from bailiwick_sidecar.ledger.filters import EVERYTHING, Filters
from bailiwick_sidecar.ledger.queries import export, show, top
from bailiwick_sidecar.ledger.rerating import Rerating, rerate_ledger
from bailiwick_sidecar.ledger.retention import forget
from bailiwick_sidecar.ledger.rows import Owner
from bailiwick_sidecar.ledger.store import SqliteLedger
from bailiwick_sidecar.ledger.sums import Grouping, summed

PROVIDER, MODEL = "ClusterModelProvider/openai-eu", "gpt-5-mini"
OLD = Rates(input_per_million="2.5", cached_input_per_million="0.25", output_per_million="10")
NEW = Rates(
    input_per_million="2", cached_input_per_million="0.2", output_per_million="8.000001",
    per_request="0.000000000001",
)  # fmt: skip


def config(rates: Rates = NEW, *, since: str = "", **changes: str) -> TenantConfig:
    """A config in which the one model costs this from then on."""
    price = DatedPrice(**{"from": since}, source="PriceBook/list/corrected", rates=rates)
    backend = Backend(name="b", provider=PROVIDER, model=MODEL, prices=[price])
    said = {"tenant": "acme", "currency": "EUR", **changes}
    return TenantConfig(routes=[Route(name="chat", backends=[backend])], **said)


def ledger_of(path: Path, *rows: Row) -> Path:
    ledger = SqliteLedger(path, Owner("acme", "acme-prod", "EUR"))
    ledger.write(rows)
    ledger.close()
    return path


def rated(usage: Usage, stream_id: str = "s", **changes: object) -> Row:
    """A settled row at the old price."""
    return row(stream_id, usage=usage, cost=cost(resolve(OLD), usage), **changes)


def bytes_of(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT * FROM attempts ORDER BY stream_id, attempt").fetchall()


def rerated(path: Path, new: TenantConfig | None = None, **filters: int) -> Rerating:
    """What a run found, written."""
    found = Rerating()
    chosen = Filters(**filters) if filters else EVERYTHING
    record(path, rerate_ledger(path, new or config(), filters=chosen, made_at=7, into=found))
    return found


def test_a_corrected_price_is_written_beside_the_row(tmp_path: Path) -> None:
    """The row's bytes stay, every question shows the new cost, and the old one on request."""
    usage = Usage(input=1000, output=100, cached_input=400)
    path = ledger_of(tmp_path / "l.db", rated(usage))
    before = bytes_of(path)

    found = rerated(path)

    assert bytes_of(path) == before
    [entry] = show([path], "s")
    expected = 600 * 2_000_000 + 400 * 200_000 + 100 * 8_000_001 + 1
    assert entry.cost == decimal_string(expected)
    assert entry.adjustment == decimal_string(expected - cost(resolve(OLD), usage))
    assert (entry.price_source, entry.revision) == ("PriceBook/list/corrected", 1)
    [written] = export([path], adjusted=False)
    assert (written.cost, written.adjustment, written.revision) == ("0.0026", "0.00", 0)
    assert [group.cost for group in top([path])] == [entry.cost]
    assert [group.cost for group in top([path], adjusted=False)] == ["0.0026"]
    with closing(sqlite3.connect(path)) as connection:
        [kept] = connection.execute(
            "SELECT revision, made_at, reason, delta, price_version FROM adjustments"
        ).fetchall()
    assert kept[:4] == (1, 7, "rerated", entry.adjustment)
    assert len(kept[4]) == 12
    [tally] = found.tallies.values()
    assert (tally.rows, tally.changed) == (1, 1)


def test_a_second_run_writes_nothing_and_a_third_price_goes_on(tmp_path: Path) -> None:
    """Revisions count up; back to the old price is an adjustment too."""
    path = ledger_of(tmp_path / "l.db", rated(Usage(input=1000, output=100)))
    assert len(rerated(path).adjustments) == 1

    assert rerated(path).adjustments == []
    [again] = rerated(path, config(OLD)).adjustments
    assert again.after.revision == 2
    [entry] = show([path], "s")
    assert (entry.cost, entry.adjustment, entry.revision) == ("0.0035", "0.00", 2)


def test_each_state_by_its_own_rule(tmp_path: Path) -> None:
    """Whole reservations cost their upper bound, streams what was passed on, errors nothing."""
    used = Usage(input=1000, output=500)
    unknown = row("unknown", usage=used, state=RowState.UNKNOWN, status=0, cost=1)
    unary = row("unary", usage=used, state=RowState.ESTIMATED, cost=1)
    stream = row(
        "stream", usage=used, state=RowState.ESTIMATED, cost=1, intent=intent("stream", stream=True)
    )
    refused = row("refused", usage=Usage(), status=429, cost=0, reason="error_status")
    void = row("void", usage=Usage(), state=RowState.VOID, status=0, cost=0)
    path = ledger_of(tmp_path / "l.db", unknown, unary, stream, refused, void)
    dear = Rates(input_per_million="1", cache_write_per_million="3", output_per_million="1")
    rerated(path, config(dear))

    costs = {entry.stream_id: entry.cost for entry in export([path])}
    bound = upper_bound(resolve(dear), input_bound=1000, output_bound=500)
    assert costs == {
        "unknown": decimal_string(bound), "unary": decimal_string(bound),
        "stream": "0.0015", "refused": "0.00", "void": "0.00",
    }  # fmt: skip


def test_the_price_of_the_admissions_time_counts(tmp_path: Path) -> None:
    """A row from before the price began stays, and is counted as such."""
    path = ledger_of(tmp_path / "l.db", rated(Usage(input=10, output=1)))
    found = rerated(path, config(since="2026-01-01T00:00:00Z"))

    assert found.adjustments == []
    assert [tally.unpriced for tally in found.tallies.values()] == [1]


def test_only_the_period_is_rated_again(tmp_path: Path) -> None:
    """From, inclusive; until, exclusive."""
    rows = [
        row(name, usage=Usage(input=9), cost=0, intent=intent(name, admitted_at=at))
        for name, at in (("a", START - 1), ("b", START), ("c", START + 1))
    ]
    path = ledger_of(tmp_path / "l.db", *rows)

    found = rerated(path, since=START, until=START + 1)
    assert [one.after.stream_id for one in found.adjustments] == ["b"]


def test_images_stay_since_their_number_is_not_known(tmp_path: Path) -> None:
    """They are counted, so that somebody can look at them."""
    image = row("i", usage=Usage(), cost=5, intent=intent("i", operation="image_generation"))
    found = rerated(ledger_of(tmp_path / "l.db", image))

    assert found.adjustments == []
    assert [tally.images for tally in found.tallies.values()] == [1]


@pytest.mark.parametrize(
    ("changes", "says"), [({"tenant": "other"}, "'other'"), ({"currency": "USD"}, "in EUR")]
)
def test_foreign_rows_are_refused(tmp_path: Path, changes: dict[str, str], says: str) -> None:
    """Another tenant's files, or another currency's, rate nothing."""
    path = ledger_of(tmp_path / "l.db", rated(Usage(input=10)))
    with pytest.raises(QueryError, match=says):
        rerated(path, config(**changes))


def test_two_runs_at_once_write_once(tmp_path: Path) -> None:
    """The second finds the revision taken, writes nothing at all and says what to do."""
    path = ledger_of(tmp_path / "l.db", rated(Usage(input=10), "a"), rated(Usage(input=10), "b"))
    found = Rerating()
    both: list[Adjustment] = rerate_ledger(
        path, config(), filters=EVERYTHING, made_at=1, into=found
    )
    record(path, both[1:])

    with pytest.raises(LedgerUnavailableError, match="Run the command again"):
        record(path, both)
    assert [entry.revision for entry in export([path])] == [0, 1]


def test_adjustments_are_never_changed_or_deleted(tmp_path: Path) -> None:
    """As rows are; only what is forgotten with its row goes."""
    path = ledger_of(tmp_path / "l.db", rated(Usage(input=10)))
    rerated(path)
    with closing(sqlite3.connect(path)) as connection:
        for statement in (
            "UPDATE adjustments SET cost = '0'",
            "DELETE FROM adjustments",
            "INSERT OR REPLACE INTO adjustments SELECT * FROM adjustments",
        ):
            with pytest.raises(sqlite3.DatabaseError, match="append-only"):
                connection.execute(statement)
            connection.rollback()


def test_what_is_forgotten_takes_its_adjustments_along(tmp_path: Path) -> None:
    """No adjustment stays without its row, and those of younger rows do."""
    young = row("y", usage=Usage(input=9), cost=0, intent=intent("y", admitted_at=START + 10_000))
    path = ledger_of(tmp_path / "l.db", rated(Usage(input=10)), young)
    rerated(path)
    forget(path, before=datetime.fromtimestamp(START / 1000 + 1, UTC))

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT stream_id FROM adjustments").fetchall() == [("y",)]
        with pytest.raises(sqlite3.DatabaseError, match="append-only"):
            connection.execute("DELETE FROM adjustments")


def test_a_ledger_from_before_there_were_adjustments(tmp_path: Path) -> None:
    """It is read as it is, and takes adjustments."""
    path = ledger_of(tmp_path / "l.db", rated(Usage(input=1000)))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE adjustments")
        connection.commit()

    assert [entry.cost for entry in export([path])] == ["0.0025"]
    assert [group.cost for group in top([path])] == ["0.0025"]
    rerated(path)
    assert [entry.cost for entry in export([path])] == ["0.002000000001"]


price = st.integers(0, 10**9).map(lambda micro: f"{micro / 10**6:.6f}")
tokens = st.integers(0, 10**6)


@given(
    st.lists(st.tuples(tokens, tokens, st.sampled_from(RowState)), min_size=1, max_size=6),
    st.lists(st.tuples(price, price), min_size=1, max_size=3),
)
def test_sums_are_those_of_the_entries_after_any_corrections(
    tmp_path_factory: pytest.TempPathFactory,
    written: list[tuple[int, int, RowState]],
    prices: list[tuple[str, str]],
) -> None:
    """Parts add up to the whole to the last digit, whatever prices came one after the other."""
    rows = [
        row(f"s{i}", usage=Usage(input=a, output=b), state=state, cost=(a + b) * RATES[0])
        for i, (a, b, state) in enumerate(written)
    ]
    path = ledger_of(tmp_path_factory.mktemp("l") / "l.db", *rows)
    before = bytes_of(path)
    for taken, given_ in prices:
        new = config(Rates(input_per_million=taken, output_per_million=given_))
        rerated(path, new)
        assert rerated(path, new).adjustments == []

    entries = list(export([path]))
    [sums] = summed([path], Grouping(["team"])).values()
    assert sums.total_cost == sum(pico(entry.cost) for entry in entries)
    assert sums.adjustment == sum(pico(entry.adjustment) for entry in entries)
    assert sums.total_cost - sums.adjustment == sum(one.cost for one in rows)
    assert bytes_of(path) == before


def test_a_row_keeps_its_service_tier(tmp_path: Path) -> None:
    """It is rated by that tier's price, also where that has come since, else by the dearest."""
    usage = Usage(input=1000)
    tiers = {"flex": "1", "priority": "4"}
    marks = ("", "flex", "scale~priority", "batch~priority")
    rows = [rated(usage, f"s{n}", service_tier=mark) for n, mark in enumerate(marks)]
    path = ledger_of(tmp_path / "l.db", *rows)
    new = config()
    for name, price in (*tiers.items(), ("scale", "3")):
        new.routes[0].backends[0].prices[0].service_tiers.add(
            name=name, rates=Rates(input_per_million=price)
        )

    rerated(path, new)

    found = {entry.stream_id: (entry.price_source, entry.cost) for entry in export([path])}
    source = "PriceBook/list/corrected"
    assert found == {
        "s0": (source, "0.002000000001"),
        "s1": (f"{source}#flex", "0.001"),
        "s2": (f"{source}#scale", "0.003"),
        "s3": (f"{source}#batch~priority", "0.004"),
    }
    assert rerated(path, new).adjustments == []
