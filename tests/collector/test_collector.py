"""From a gateway's journal over gRPC and TLS into PostgreSQL, while everything dies.

The API server is a double here; test_trust.py asks a real one.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from accounting.samples import START, intent, row
from agent.gateway_process import wait_for
from collector.collector_process import ApiDouble, CollectorProcess
from collector.postgres_server import PASSWORD, WRITER, PostgresServer
from collector.samples import batch
from collector.samples import row as said_row

from bailiwick_collector.migrating import migrate
from bailiwick_collector.rows import COLUMNS, values
from bailiwick_contract.compat import CONTRACT_VERSION
from bailiwick_contract.services import PERIOD_TOTALS_PATH, REPORT_PATH
from bailiwick_contract.v1.usage_pb2 import (
    BatchAck,
    PeriodTotalsPage,
    PeriodTotalsRequest,
    UsageBatch,
)
from bailiwick_sidecar.accounting.journal import FileJournal
from bailiwick_sidecar.ledger.errors import LedgerUnavailableError
from bailiwick_sidecar.ledger.remote import usage_row
from bailiwick_sidecar.ledger.rows import Owner
from bailiwick_sidecar.ledger.rows import values as embedded_values
from bailiwick_sidecar.ledger.writer import LedgerWriter

TENANTS = {f"{name}-prod": name for name in ("wire", "left", "right", "storm", "gone", "turn")}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A PostgreSQL that these tests may kill."""
    made = PostgresServer(tmp_path_factory.mktemp("postgres-to-kill"))
    try:
        migrate(made.url())
        made.execute(f"CREATE ROLE {WRITER} LOGIN PASSWORD '{PASSWORD}' IN ROLE bailiwick_writer")
        yield made
    finally:
        made.stop()


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiDouble]:
    double = ApiDouble(tmp_path, dict(TENANTS))
    yield double
    double.close()


@pytest.fixture
def collector(tmp_path: Path, server: PostgresServer, api: ApiDouble) -> Iterator[CollectorProcess]:
    process = CollectorProcess(tmp_path, server, api.kubeconfig)
    process.start()
    yield process
    process.stop()


def keys(server: PostgresServer, tenant: str) -> list[str]:
    """Stream ids of the tenant's rows."""
    found = server.query(f"SELECT stream_id FROM attempts WHERE tenant = '{tenant}' ORDER BY 1")
    return [str(one[0]) for one in found]


def journal_in(directory: Path) -> FileJournal:
    journal = FileJournal(directory)
    list(journal.replay())
    journal.roll(b"null", now=START)
    return journal


def end(journal: FileJournal, writer: LedgerWriter, *names: str) -> None:
    """Attempts that begin and end, as the book does it."""
    for name in names:
        journal.intent(intent(name))
        writer.offer(row(name), journal.outcome(row(name)))


def test_a_row_is_the_same_by_either_way() -> None:
    """What PostgreSQL gets of a row is what the embedded ledger gets of it."""
    one = row("x", 2)
    sent = UsageBatch(tenant="acme", namespace="acme-prod", currency="EUR", rows=[usage_row(one)])
    embedded = embedded_values(one, Owner("acme", "acme-prod", "EUR"))

    assert dict(zip(COLUMNS, values(sent.rows[0], sent), strict=True)) == dict(
        zip(COLUMNS, embedded, strict=True)
    )


def test_batches_arrive_once_and_are_measured(
    collector: CollectorProcess, server: PostgresServer, api: ApiDouble
) -> None:
    """A second delivery adds nothing; one review serves many batches; figures tell both apart."""
    sink = collector.sink("wire")
    for _ in range(2):
        sink.write([row("a"), row("b")])
    sink.write([row("c")])
    sink.close()

    assert keys(server, "wire") == ["a", "b", "c"]
    assert api.reviews <= 2
    text = collector.get("/metrics")[1]
    assert 'bailiwick_collector_rows_total{delivery="first"} 3.0' in text
    assert 'bailiwick_collector_rows_total{delivery="duplicate"} 2.0' in text
    assert "bailiwick_collector_batches_total 3.0" in text
    assert "bailiwick_collector_database_failing_seconds 0.0\n" in text


@pytest.mark.parametrize(
    ("said", "token", "code"),
    [
        (("left", "left-prod"), "gateway-of-right-prod", "PERMISSION_DENIED"),
        (("right", "left-prod"), "gateway-of-left-prod", "PERMISSION_DENIED"),
        (("left", "right-prod"), "gateway-of-left-prod", "PERMISSION_DENIED"),
        (("left", "left-prod"), "gateway-of-nobody", "PERMISSION_DENIED"),
        (("left", "left-prod"), "others-token", "PERMISSION_DENIED"),
        (("left", "left-prod"), "rubbish", "UNAUTHENTICATED"),
    ],
)
def test_nothing_that_an_agent_says_decides_whose_rows_they_are(
    collector: CollectorProcess,
    server: PostgresServer,
    said: tuple[str, str],
    token: str,
    code: str,
) -> None:
    """Another tenant's, namespace's or nobody's token: refused, whatever the batch says."""
    sink = collector.sink(*said, token=token)
    with pytest.raises(LedgerUnavailableError, match=code):
        sink.write([row("stolen")])
    sink.close()

    assert keys(server, "left") == keys(server, "right") == []
    text = collector.get("/metrics")[1]
    assert f'bailiwick_collector_refusals_total{{code="{code}"}} 1.0' in text
    assert token not in collector.log()


def test_a_namespace_that_changed_hands_brings_rows_of_its_new_tenant(
    collector: CollectorProcess, server: PostgresServer, api: ApiDouble
) -> None:
    """What was believed of a token ends soon: the rows of the tenant before are refused then."""
    before, after = collector.sink("turn"), collector.sink("heir", "turn-prod")
    before.write([row("old")])
    api.tenants["turn-prod"] = "heir"
    wait_for("the new tenant's rows are kept", lambda: _kept(after, "new"), 30)

    with pytest.raises(LedgerUnavailableError, match="PERMISSION_DENIED"):
        before.write([row("late")])
    assert keys(server, "turn") == ["old"]
    assert keys(server, "heir")[0] == "new"
    before.close()
    after.close()


def _kept(sink: object, name: str) -> bool:
    try:
        sink.write([row(name)])  # type: ignore[attr-defined]
    except LedgerUnavailableError:
        return False
    return True


def test_totals_are_of_the_tokens_tenant(collector: CollectorProcess) -> None:
    """A gateway asks for its own tenant's use, and for nobody else's."""
    sink = collector.sink("wire")
    sink.write([row("sum")])
    sink.close()
    metadata = (("authorization", "Bearer gateway-of-wire-prod"),)
    asked = PeriodTotalsRequest(
        contract_version=CONTRACT_VERSION, tenant="wire", namespace="wire-prod", since=START
    )
    with collector.channel() as channel:
        ask = channel.unary_stream(
            PERIOD_TOTALS_PATH,
            request_serializer=PeriodTotalsRequest.SerializeToString,
            response_deserializer=PeriodTotalsPage.FromString,
        )
        totals = [one for page in ask(asked, metadata=metadata, timeout=30) for one in page.totals]
        asked.tenant = "left"
        with pytest.raises(grpc.RpcError) as caught:
            list(ask(asked, metadata=metadata, timeout=30))

    assert [(one.team, one.user) for one in totals] == [("search", "alice")]
    assert totals[0].input_tokens == 800 * totals[0].attempts
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_a_bad_row_and_another_contract_are_named(collector: CollectorProcess) -> None:
    """Neither is kept in part: the answer says what is wrong."""
    metadata = (("authorization", "Bearer gateway-of-left-prod"),)
    good = batch("left", said_row("x"), said_row("y", state="paid"))
    other = batch("left", said_row("x"))
    other.contract_version = 99
    with collector.channel() as channel:
        report = channel.unary_unary(
            REPORT_PATH,
            request_serializer=UsageBatch.SerializeToString,
            response_deserializer=BatchAck.FromString,
        )
        for wrong, words in ((good, "paid"), (other, "same release")):
            with pytest.raises(grpc.RpcError, match=words) as caught:
                report(wrong, metadata=metadata, timeout=30)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_every_row_is_there_once_after_a_storm(
    collector: CollectorProcess, server: PostgresServer, tmp_path: Path
) -> None:
    """Kill -9 of database and collector in turn, while rows come: each row once, none lost."""
    names = [f"r{number:05d}" for number in range(4_000)]
    with journal_in(tmp_path / "journal") as journal:
        writer = LedgerWriter(
            collector.sink("storm"), journal, batch=50, linger=0.01, kept=200, backoff=(0.05, 0.2)
        )
        writer.start()
        for turn in range(4):
            end(journal, writer, *names[turn * 1000 : turn * 1000 + 500])
            if turn % 2:
                collector.kill()
            else:
                server.kill()
            end(journal, writer, *names[turn * 1000 + 500 : turn * 1000 + 1000])
            assert writer.progress().waiting <= 200
            if turn % 2:
                collector.start(ready=False)
            else:
                server.start()
        wait_for("all rows are there", lambda: len(keys(server, "storm")) == 4_000, 120)
        assert keys(server, "storm") == names
        assert writer.close(30)


def test_a_commit_whose_answer_is_lost_is_no_second_row(
    collector: CollectorProcess, server: PostgresServer, tmp_path: Path
) -> None:
    """The gateway dies after the commit and before it notes so: its next process sends again."""
    with journal_in(tmp_path / "journal") as journal:
        journal.intent(intent("paid-once"))
        journal.outcome(row("paid-once"))
        sink = collector.sink("gone")
        sink.write([row("paid-once")])  # and nothing is marked as shipped
        sink.close()
    with journal_in(tmp_path / "journal") as journal:
        writer = LedgerWriter(collector.sink("gone"), journal, linger=0.01)
        writer.start()
        wait_for("it was sent again", lambda: writer.progress().written == 1, 60)
        assert writer.close(30)

    assert keys(server, "gone") == ["paid-once"]


def test_a_database_that_takes_no_writes_is_waited_for(
    collector: CollectorProcess, server: PostgresServer
) -> None:
    """Read-only, as a full disk or a standby is: refused, measured, and taken afterwards."""
    sink = collector.sink("gone")
    server.execute("ALTER ROLE ledger_writer SET default_transaction_read_only = on")
    server.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ledger_writer'"
    )
    try:
        with pytest.raises(LedgerUnavailableError, match="UNAVAILABLE"):
            sink.write([row("patient")])
        text = collector.get("/metrics")[1]
        assert "bailiwick_collector_database_failing_seconds 0.0\n" not in text
    finally:
        server.execute("ALTER ROLE ledger_writer RESET default_transaction_read_only")
    wait_for("the row is kept", lambda: _kept(sink, "patient"), 60)
    sink.close()

    assert "patient" in keys(server, "gone")
    # What the database said is in the collector's log, and not told to tenants.
    assert "event=database_away" in collector.log()


def test_a_changed_password_is_taken_up_without_a_restart(
    collector: CollectorProcess, server: PostgresServer
) -> None:
    """The mounted file changes, the old connections go: new ones use the new password."""
    sink = collector.sink("gone")
    server.execute(
        f"ALTER ROLE {WRITER} PASSWORD 'second'",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{WRITER}'",
    )
    try:
        with pytest.raises(LedgerUnavailableError, match="UNAVAILABLE"):
            sink.write([row("rotated")])
        (collector.folder / "login" / "password").write_text("second\n")
        wait_for("the row is kept", lambda: _kept(sink, "rotated-2"), 60)
    finally:
        server.execute(f"ALTER ROLE {WRITER} PASSWORD '{PASSWORD}'")
    sink.close()
    assert "second" not in collector.log()


def test_an_api_server_that_is_away_is_waited_for(
    collector: CollectorProcess, api: ApiDouble
) -> None:
    """A token that can't be reviewed now is no stranger's: UNAVAILABLE, and kept later."""
    sink = collector.sink("left")
    api.away = True
    with pytest.raises(LedgerUnavailableError, match="UNAVAILABLE"):
        sink.write([row("later")])
    api.away = False
    wait_for("the row is kept", lambda: _kept(sink, "later"), 60)
    sink.close()


def test_sigterm_ends_it_and_a_wrong_database_is_said(
    collector: CollectorProcess, server: PostgresServer
) -> None:
    """Exit code 0 on SIGTERM; 1, with what to do, where the schema is another release's."""
    assert collector.signal(signal.SIGTERM) == 0
    server.execute("UPDATE schema_version SET version_num = '9999'")
    try:
        collector.start(ready=False)
        assert collector._process is not None
        assert collector._process.wait(60) == 1
        assert "bailiwick-collector migrate" in collector.log()
    finally:
        server.execute("UPDATE schema_version SET version_num = '0001'")
