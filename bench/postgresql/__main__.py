"""`cd bench && python -m postgresql`: rows a second, a month's report, an outage of an hour.

A real PostgreSQL, a real collector process, gRPC over TLS, a real journal; the API server is a
double. The hour is simulated: its attempts are written to the journal at once, while the database
is down; what is timed is the drain. `--rows` is how many rows the ledger holds before anything is
measured; the database makes them itself, over twelve months and fifty teams of one tenant.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from accounting.samples import intent, row
from collector.collector_process import ApiDouble, CollectorProcess
from collector.postgres_server import PASSWORD, WRITER, PostgresServer
from collector.samples import batch, database, login
from collector.samples import row as said_row
from gateway.machine import described, machine
from readme import into_readme

from bailiwick_collector.credentials import FolderCredentials
from bailiwick_collector.database import Postgres
from bailiwick_collector.ledger import PostgresLedger
from bailiwick_collector.migrating import migrate
from bailiwick_collector.rows import COLUMNS, values
from bailiwick_sidecar.accounting.journal import FileJournal
from bailiwick_sidecar.ledger.filters import Filters
from bailiwick_sidecar.ledger.report import reported
from bailiwick_sidecar.ledger.sums import Grouping, collect, queries
from bailiwick_sidecar.ledger.writer import LedgerWriter

RESULTS = Path(__file__).parents[1] / "results" / "postgresql.json"
OUTAGE = (
    "A real PostgreSQL that flushes each commit to disk, a real collector, gRPC over TLS. The "
    "hour's {outage:,} attempts were written to the journal while the database was down; what is "
    "timed is how long they took to be in it once it was back."
)
BATCH = 500
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
MONTH = (datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))
MADE = {
    "tenant": "'acme'",
    "stream_id": "md5(n::text)::uuid::text",
    "attempt": "1",
    "admitted_at": "{first} + n * {step}",
    "ended_at": "{first} + n * {step} + 2000",
    "team": "'team-' || n % 50",
    "project": "'project-' || n % 500",
    "user": "'user-' || n % 5000",
    "model": "'model-' || n % 7",
    "stream": "n % 2 = 0",
    "state": "'settled'",
    "status": "200",
    "cost": "'0.005'",
    "cost_micro": "5000",
    "currency": "'EUR'",
    "tags": "'{{}}'::json",
}
NUMBERS = ("tokens", "_ms", "cost_rest")


def fill(server: PostgresServer, rows: int) -> float:
    """Seconds that it took to make the rows."""
    began = time.monotonic()
    first = int(FIRST.timestamp() * 1000)
    made = {
        name: MADE.get(name) or ("n % 1000" if name.endswith(NUMBERS) else f"'{name}'")
        for name in COLUMNS
    }
    step = 365 * 86_400_000 // rows
    select = ", ".join(made.values()).format(first=first, step=step)
    columns = ", ".join(f'"{name}"' for name in COLUMNS)
    numbers = f"generate_series(0::bigint, {rows} - 1) n"
    server.execute(
        f"SELECT make_months('{FIRST:%Y-%m-%d}', 12)",
        f"INSERT INTO attempts ({columns}) SELECT {select} FROM {numbers}",  # noqa: S608 - our own names
        "VACUUM ANALYZE attempts",
    )
    return time.monotonic() - began


def insert(ledger: PostgresLedger, rows: int, *, threads: int) -> float:
    """Rows a second, from messages to the database's disk, in batches as agents send them."""
    now = int(time.time() * 1000)

    def one(number: int) -> int:
        said = batch(
            "acme", *(said_row(f"{now}-{number}-{n}", admitted_at=now) for n in range(BATCH))
        )
        return ledger.add("acme", [values(each, said) for each in said.rows])

    began = time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        added = sum(pool.map(one, range(rows // BATCH)))
    if added != rows // BATCH * BATCH:
        raise SystemExit(f"{added} rows were added, not {rows}")
    return added / (time.monotonic() - began)


def month(postgres: Postgres) -> tuple[float, int]:
    """Seconds of the report by team and model of one month, the best of three; and its lines."""
    since, until = (int(one.timestamp() * 1000) for one in MONTH)
    grouping = Grouping(by=("team", "model"), filters=Filters(since=since, until=until))
    written, changed = queries(grouping)
    best, lines = float("inf"), 0
    for _ in range(3):
        began = time.monotonic()
        found: dict[tuple[str, ...], object] = {}
        with postgres.transaction(tenant="acme") as connection:
            collect(connection, written, changed, grouping, into=found)  # type: ignore[arg-type]
        lines = len(reported(found, grouping.by).lines)  # type: ignore[arg-type]
        best = min(best, time.monotonic() - began)
    return best, lines


def outage(server: PostgresServer, folder: Path, attempts: int) -> tuple[float, float, int]:
    """Bytes of journal an attempt, seconds of the drain, and rows that were lost."""
    api = ApiDouble(folder, {"drain-prod": "drain"})
    collector = CollectorProcess(folder, server, api.kubeconfig)
    collector.start()
    with FileJournal(folder / "journal") as journal:
        list(journal.replay())
        journal.roll(b"null", now=0)
        writer = LedgerWriter(collector.sink("drain"), journal)
        writer.start()
        server.kill()
        for number in range(attempts):
            name = f"{number:08d}-5f0c-9a3e-8a52-4c579d5c2b1a"
            journal.intent(intent(name))
            writer.offer(row(name), journal.outcome(row(name)))
            if journal.due:
                journal.roll(b"null", now=0)
        size = journal.size() / attempts
        server.start()
        began = time.monotonic()
        while writer.progress().written < attempts:
            time.sleep(0.05)
        took = time.monotonic() - began
        writer.close(30)
    ((there,),) = server.query("SELECT count(*) FROM attempts WHERE tenant = 'drain'")
    collector.stop()
    api.close()
    return size, took, attempts - int(str(there))


def section(found: Mapping[str, Any]) -> str:
    """The README's table."""
    lines = [
        f"| the ledger in PostgreSQL, {found['rows']:,} rows of one tenant | | |",
        "|---|---|---|",
        *(
            f"| {name} | {value:,.{digits}f} | {verdict(value, bound, at_least=at_least)} |"
            for name, value, digits, bound, at_least in figures(found)
        ),
        "",
        OUTAGE.format(**found),
        "",
        f"Measured on {described(found['machine'])}. `make ledger` repeats it.",
    ]
    return "\n".join(lines)


def figures(found: Mapping[str, Any]) -> list[tuple[str, float, int, float, bool]]:
    """What is held to a bound: name, value, digits, bound, and whether it is the least."""
    return [
        ("rows inserted a second, four batches of 500 at a time", found["insert_4"], 0, 5000, True),
        ("report of a month by team and model (s)", found["report_s"], 2, 1, False),
        ("an hour's outage at 100 calls/s: drained in (s)", found["drain_s"], 0, 600, False),
        ("rows lost in it", found["lost"], 0, 0, False),
        ("journal, bytes an attempt", found["journal_bytes"], 0, 300, False),
    ]


def verdict(value: float, bound: float, *, at_least: bool) -> str:
    """How a figure stands to its bound."""
    if value >= bound if at_least else value <= bound:
        return f"bound of {bound:,g} met"
    off = 1 - value / bound if at_least else value / bound - 1 if bound else value
    return f"**missed** by {off:.0%} (bound {bound:,g})"


def run(said: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Everything, in order."""
    found: dict[str, Any] = {"rows": said.rows, "outage": said.outage, "machine": machine()}
    server = PostgresServer(folder / "postgres")
    try:
        migrate(server.url())
        server.execute(f"CREATE ROLE {WRITER} LOGIN PASSWORD '{PASSWORD}' IN ROLE bailiwick_writer")
        print(f"Making {said.rows:,} rows (ten million take a quarter of an hour) …", flush=True)
        print(f"{said.rows:,} rows made in {fill(server, said.rows):.0f} s", flush=True)
        place = database(server, folder / "login")
        postgres = Postgres(place, FolderCredentials(login(folder / "login")))
        ledger = PostgresLedger(postgres)
        for threads in (1, 4):
            found[f"insert_{threads}"] = rate = insert(ledger, said.insert, threads=threads)
            print(f"insert, {threads} at a time: {rate:.0f} rows/s (wanted: 5000)", flush=True)
        found["report_s"], lines = month(postgres)
        print(
            f"report of a month by team and model: {found['report_s']:.2f} s, {lines} lines "
            "(wanted: 1 s)",
            flush=True,
        )
        ledger.close()
        (folder / "outage").mkdir()
        size, took, lost = outage(server, folder / "outage", said.outage)
        found |= {"journal_bytes": size, "drain_s": took, "lost": lost}
        print(f"journal: {size:.0f} bytes an attempt (wanted: 300)")
        print(
            f"outage of {said.outage} attempts: drained in {took:.0f} s, {lost} lost"
            " (wanted: 600 s, 0)"
        )
    finally:
        server.stop()
    return found


def main() -> int:
    """Measure, and print; write where asked."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=10**7, help="rows there beforehand")
    options.add_argument("--insert", type=int, default=100_000, help="rows added while measuring")
    options.add_argument("--outage", type=int, default=360_000, help="attempts in the hour")
    options.add_argument("--write", action="store_true", help="results/ and the README")
    said = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-ledger-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        found = run(said, folder)
    if said.write:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(found, indent=2) + "\n")
        into_readme("bench ledger", section(found))
    return 0 if not found["lost"] else 1


if __name__ == "__main__":
    sys.exit(main())
