"""`kubectl bailiwick quota` and `usage` with the ledger beside them: who used a limit."""

import subprocess
import time
from pathlib import Path

import pytest
from cli.test_plugin import Plugin, held
from collector.postgres_server import OWNER, PASSWORD, PostgresServer
from collector.samples import batch, row

from bailiwick_collector.ledger import PostgresLedger
from bailiwick_collector.migrating import make_reader
from bailiwick_collector.roles import reader_name
from bailiwick_collector.rows import values

USE = [
    {"name": "budgetMonth", "limit": "2000.00", "used": "0.03", "left": "1999.97", "percent": 1},
    {"name": "tokensPerMinute", "limit": "9", "used": "9", "left": "0", "percent": 100},
]
OWN = [{**one, "name": f"limits#{one['name']}"} for one in USE]


@pytest.fixture
def ask(postgres: PostgresServer, into: PostgresLedger, tmp_path: Path) -> Plugin:
    """A cluster whose limits were used, and its tenant's rows: of now, and of a year ago."""
    now = int(time.time() * 1000)
    rows = (
        row("a", user="alice", cost="0.02", admitted_at=now),
        row("b", user="bob", cost="0.01", admitted_at=now),
        row("c", user="carol", team="support", cost="7", admitted_at=now),
        row("d", user="dave", cost="9", admitted_at=now - 366 * 86_400_000),
    )
    for tenant in ("acme", "acme-other"):
        said = batch(tenant, *rows, namespace="acme-prod")
        into.add(tenant, [values(one, said) for one in said.rows])
    make_reader(postgres.url(OWNER), "acme")
    postgres.execute(f"ALTER ROLE \"{reader_name('acme')}\" PASSWORD '{PASSWORD}'")
    statuses = {"search": {"use": USE}, "acme": {"use": OWN}}
    plugin = Plugin(tmp_path, held(**statuses))
    plugin.environment["PGPASSFILE"] = str(postgres.passfile())
    return plugin


def url(postgres: PostgresServer) -> str:
    return (
        f"--database=postgresql://{reader_name('acme')}@127.0.0.1:{postgres.port}/bailiwick"
        "?sslmode=disable"
    )


def people(ran: subprocess.CompletedProcess[str]) -> list[str]:
    """Users in the order of the lines that tell of them."""
    assert ran.returncode == 0, ran.stderr
    names = ("alice", "bob", "carol", "dave")
    return [name for line in ran.stdout.splitlines() for name in names if name in line]


def test_a_quota_says_who_used_it(postgres: PostgresServer, ask: Plugin) -> None:
    """Callers whom it applies to, of this period, the dearest first; not of a minute's limit."""
    ran = ask("quota", "-n", "acme-prod", url(postgres), "--tenant=acme")

    assert people(ran) == ["alice", "bob"]
    (line,) = [line for line in ran.stdout.splitlines() if "alice" in line]
    assert "Quota acme-prod/search: budgetMonth" in line
    assert "0.02 EUR" in line


def test_a_tenants_own_limits_say_it_of_everyone(postgres: PostgresServer, ask: Plugin) -> None:
    """All of its namespaces and teams."""
    ran = ask("usage", "acme", url(postgres))

    assert sorted(people(ran)) == ["alice", "alice", "bob", "bob", "carol"]


def test_who_may_not_read_the_ledger_is_told_so(postgres: PostgresServer, ask: Plugin) -> None:
    """The table of limits is there all the same."""
    for arguments, words in (
        ((url(postgres), "--tenant=acme-other"), "not of acme-other"),
        ((url(postgres),), "--tenant"),
        (("--tenant=acme",), "--database"),
    ):
        ran = ask("quota", "-n", "acme-prod", *arguments)
        assert ran.returncode == 1
        assert words in ran.stderr
        assert "budgetMonth" in ran.stdout
    assert "usage: NAME alone" in " ".join(ask("usage", url(postgres)).stderr.split())
