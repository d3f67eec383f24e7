"""`bailiwick ledger` on PostgreSQL: one tenant at a time, by a login that can't see more."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from collector.postgres_server import OWNER, PASSWORD, PostgresServer
from collector.samples import batch, row

from bailiwick_collector.ledger import PostgresLedger
from bailiwick_collector.migrating import make_reader
from bailiwick_collector.roles import reader_name
from bailiwick_collector.rows import values


def ledger(*arguments: str, passfile: Path) -> subprocess.CompletedProcess[str]:
    """The command, as a user runs it."""
    return subprocess.run(
        [sys.executable, "-c", "from bailiwick_cli.main import main; main()", "ledger", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PGPASSFILE": str(passfile)},
    )


@pytest.fixture
def reader(postgres: PostgresServer, into: PostgresLedger) -> str:
    """The URL of a tenant's reader, whose tenant and another have rows."""
    for tenant in ("reads", "hidden"):
        said = batch(tenant, row("a"), row("b", cost="0.000000000001"), row("c", team="ads"))
        into.add(tenant, [values(one, said) for one in said.rows])
    make_reader(postgres.url(OWNER), "reads")
    name = reader_name("reads")
    postgres.execute(f"ALTER ROLE \"{name}\" PASSWORD '{PASSWORD}'")
    return f"postgresql://{name}@127.0.0.1:{postgres.port}/bailiwick?sslmode=disable"


def test_every_question_has_its_answer(postgres: PostgresServer, reader: str) -> None:
    """Report, sums, one request and the export say of the database what they say of files."""
    at = ("--database", reader, "--tenant", "reads")
    ask = {
        "report": ("report", "--by", "team", "--from", "2026-01-01", "-o", "json"),
        "top": ("top", "--by", "day,tag:feature", "--format", "json"),
        "show": ("show", "b", "--format", "json"),
        "export": ("export", "--format", "json", "--team", "search"),
    }
    found = {}
    for name, question in ask.items():
        answer = ledger(*question, *at, passfile=postgres.passfile())
        assert answer.returncode == 0, answer.stderr
        found[name] = json.loads(answer.stdout)

    teams = {one["team"]: one["cost"] for one in found["report"]["lines"]}
    assert teams == {"search": "0.005000000001", "ads": "0.005"}
    assert found["top"][0]["attempts"] == 3
    assert found["top"][0]["tag:feature"] == "summarise"
    assert [one["cost"] for one in found["show"]] == ["0.000000000001"]
    assert {one["tenant"] for one in found["export"]} == {"reads"}


def test_a_reader_that_names_another_tenant_finds_nothing_of_it(
    postgres: PostgresServer, reader: str
) -> None:
    """Nor its own rows under a wrong name: its tenant is what the database says."""
    question = ("export", "--format", "json", "--database", reader, "--tenant", "hidden")
    answer = ledger(*question, passfile=postgres.passfile())

    assert (answer.returncode, answer.stdout) == (1, "")
    assert "this login is the reader of tenant reads, not of hidden" in answer.stderr


def test_a_namespace_is_asked_for_by_name(postgres: PostgresServer, reader: str) -> None:
    """One that has no row has no answer."""
    at = ("--database", reader, "--tenant", "reads", "--format", "json", "--namespace")
    for namespace, count in (("reads-prod", 3), ("reads-test", 0)):
        answer = ledger("export", *at, namespace, passfile=postgres.passfile())
        assert len(json.loads(answer.stdout)) == count
    assert ledger("show", "a", *at, "reads-test", passfile=postgres.passfile()).returncode == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--database", "postgresql://u:hunter2@h/d", "--tenant", "t"), "PGPASSFILE"),
        (("--database", "postgresql://u@h/d"), "--tenant"),
        (("--database", "///", "--tenant", "t"), "postgresql://"),
        (("--tenant", "t"), "--database"),
        (("--database", "postgresql://u@127.0.0.1:1/d", "--tenant", "t"), "can't be read"),
    ],
)
def test_what_can_not_be_asked_says_why(
    tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    """With what to do next, and without the password that should not have been there."""
    answer = ledger("top", *options, passfile=tmp_path / "none")

    assert answer.returncode == 1
    assert words in answer.stderr
    assert "hunter2" not in answer.stderr


def test_a_login_that_sees_everything_is_not_used(postgres: PostgresServer) -> None:
    """A superuser would read every tenant whatever the policies say."""
    url = postgres.url("super")
    answer = ledger("top", "--database", url, "--tenant", "t", passfile=postgres.passfile())

    assert answer.returncode == 1
    assert "reader-role" in answer.stderr
