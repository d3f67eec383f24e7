"""Finance at work on PostgreSQL: rating again, the invoice, and what such a login may not do."""

import json
import os
import subprocess
import sys
import zlib
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from collector.postgres_server import OWNER, PASSWORD, PostgresServer
from collector.samples import batch, row
from invoices import samples

from bailiwick_collector.ledger import PostgresLedger
from bailiwick_collector.migrating import make_reader
from bailiwick_collector.roles import reader_name
from bailiwick_collector.rows import values

DAY = int(datetime(2025, 11, 21, 12, tzinfo=UTC).timestamp() * 1000)
FILES = """
apiVersion: bailiwick.dev/v1alpha1
kind: Tenant
metadata: {{name: {tenant}}}
spec:
  namespaces: [{{name: {tenant}-prod}}]
  currency: EUR
  timeZone: Europe/Berlin
  teams: [{{name: search}}]
  modelAccess: [{{tier: shared}}]
  unpricedModels: Allow
---
apiVersion: bailiwick.dev/v1alpha1
kind: ClusterModelProvider
metadata: {{name: openai-eu}}
spec:
  protocol: OpenAI
  baseURL: http://127.0.0.1:9/v1
  region: eu
  tier: shared
  credentials: {{type: None}}
  currency: EUR
  models:
    - name: gpt-5-mini
      maxOutputTokens: 100
      price: {{inputPerMillion: "{price}", outputPerMillion: "{price}"}}
---
apiVersion: bailiwick.dev/v1alpha1
kind: ModelRoute
metadata: {{name: fast, namespace: {tenant}-prod}}
spec:
  backends:
    - {{name: a, provider: {{kind: ClusterModelProvider, name: openai-eu}}, model: gpt-5-mini}}
"""


class Desk:
    """One tenant's rows, the files beside them, and a login of finance."""

    def __init__(self, postgres: PostgresServer, folder: Path, tenant: str) -> None:
        self.postgres, self.folder, self.tenant = postgres, folder, tenant
        self.login = self.role(adjusts=True)

    def role(self, *, adjusts: bool) -> str:
        """A login that the owner made for this tenant."""
        make_reader(self.postgres.url(OWNER), self.tenant, adjusts=adjusts)
        name = reader_name(self.tenant, adjusts=adjusts)
        self.postgres.execute(f"ALTER ROLE \"{name}\" PASSWORD '{PASSWORD}'")
        return name

    def run(
        self, *arguments: str, login: str = "", tenant: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """`bailiwick ledger …` on the database, as finance types it."""
        url = f"postgresql://{login or self.login}@127.0.0.1:{self.postgres.port}/bailiwick"
        return subprocess.run(
            [
                *(sys.executable, "-c", "from bailiwick_cli.main import main; main()", "ledger"),
                *arguments,
                *("--database", f"{url}?sslmode=disable", "--tenant", tenant or self.tenant),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            cwd=self.folder,
            env={**os.environ, "PGPASSFILE": str(self.postgres.passfile())},
        )

    def files(self, *, price: str, tenant: str = "") -> str:
        """A folder with the tenant's resources at this price for a million tokens."""
        folder = self.folder / f"at-{price}"
        folder.mkdir(exist_ok=True)
        text = FILES.format(tenant=tenant or self.tenant, price=price)
        (folder / "all.yaml").write_text(text)
        return str(folder)

    def adjustments(self) -> list[tuple[object, ...]]:
        """What stands beside the rows."""
        return self.postgres.query(
            "SELECT stream_id, revision, reason, state, cost, delta FROM adjustments"
            f" WHERE tenant = '{self.tenant}' ORDER BY stream_id, revision"
        )


@pytest.fixture
def desk(
    request: pytest.FixtureRequest, postgres: PostgresServer, into: PostgresLedger, tmp_path: Path
) -> Desk:
    """Two tenants with the same rows; the desk is the first one's."""
    tenant = f"fin-{zlib.crc32(request.node.name.encode())}"
    for owner in (tenant, f"{tenant}-other"):
        key = {"provider_key": "secret/llm#k@1", "provider_key_id": "key_1", "admitted_at": DAY}
        lost = {"state": "unknown", "status": 0, "cost": "0.004", "reason": "no_record"}
        rows = (row("a", **key), row("u", **key, **lost, input_tokens=300, output_tokens=90))
        said = batch(owner, *rows)
        into.add(owner, [values(one, said) for one in said.rows])
    return Desk(postgres, tmp_path, tenant)


def test_a_period_is_rated_again(desk: Desk) -> None:
    """Beside the rows, once; a dry run writes nothing; the report has what it makes of the cost."""
    asked = ("rerate", "--from", "2025-11-01", "-o", "json", "-f", desk.files(price="10"))
    dry = desk.run(*asked, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert desk.adjustments() == []
    [line] = json.loads(dry.stdout)["models"]
    assert (line["rows"], line["changed"], line["after"]) == (2, 2, "0.0139")

    assert desk.run(*asked).returncode == 0
    assert json.loads(desk.run(*asked).stdout)["adjustments"] == 0
    assert desk.adjustments() == [
        ("a", 1, "rerated", "settled", "0.01", "0.005"),
        ("u", 1, "rerated", "unknown", "0.0039", "-0.0001"),
    ]
    report = desk.run("report", "--by", "provider-key", "--from", "2025-11-01", "-o", "json")
    [total] = json.loads(report.stdout)["lines"]
    assert (total["provider_key"], total["cost"], total["adjustment"]) == (
        "secret/llm#k@1", "0.0139", "0.0049",
    )  # fmt: skip


def test_unknown_rows_are_settled_by_the_invoice(desk: Desk) -> None:
    """By key; no row is changed, and the exit code says whether it agrees."""
    costs = samples.page(samples.charged(0.006, api_key_id="key_1"))
    (desk.folder / "costs.json").write_text(costs.replace('"usd"', '"eur"'))
    asked = ("reconcile", "--provider", "openai", "costs.json", "-o", "json")
    rows = f"SELECT * FROM attempts WHERE tenant = '{desk.tenant}' ORDER BY stream_id"
    before = desk.postgres.query(rows)
    looked = desk.run(*asked)
    assert looked.returncode == 3, looked.stderr
    assert "1 unknown row would be settled" in looked.stderr
    [said] = json.loads(looked.stdout)["models"]
    assert (said["key"], said["drift"], said["settles"]) == ("key_1", "0.003", 1)
    assert desk.adjustments() == []

    done = desk.run(*asked, "--settle")
    assert done.returncode == 0, done.stderr
    assert desk.run(*asked, "--settle").returncode == 0
    assert desk.adjustments() == [("u", 1, "reconciled", "settled", "0.001", "-0.003")]
    assert desk.postgres.query(rows) == before


def test_who_may_only_read_adjusts_nothing(desk: Desk) -> None:
    """The reader's role is told which one may; nor may one that is in no tenant's service."""
    asked = ("rerate", "--from", "2025-11-01", "-f", desk.files(price="10"))
    refused = desk.run(*asked, login=desk.role(adjusts=False))
    assert (refused.returncode, "adjuster-role" in refused.stderr) == (1, True)
    assert desk.run(*asked, "--dry-run", login=desk.role(adjusts=False)).returncode == 0
    superuser = desk.run(*asked, login="super")
    assert (superuser.returncode, "every tenant" in superuser.stderr) == (1, True)
    assert desk.adjustments() == []


def test_another_tenant_is_never_adjusted(desk: Desk) -> None:
    """Neither by its name, nor by files that name it."""
    other = f"{desk.tenant}-other"
    by_name = desk.run(
        "rerate", "--from", "2025-11-01", "-f", desk.files(price="9", tenant=other), tenant=other
    )
    assert (by_name.returncode, f"not of {other}" in by_name.stderr) == (1, True)
    by_file = desk.run("rerate", "--from", "2025-11-01", "-f", desk.files(price="9", tenant=other))
    assert (by_file.returncode, "is not in the files" in by_file.stderr) == (1, True)
    named = ("--namespace", f"{other}-prod")
    by_namespace = desk.run(
        "rerate", "--from", "2025-11-01", "-f", desk.files(price="9", tenant=other), *named
    )
    assert (by_namespace.returncode, "has no row" in by_namespace.stderr) == (1, True)
    assert desk.postgres.query(f"SELECT * FROM adjustments WHERE tenant = '{other}'") == []


def test_the_platforms_finance_adjusts_one_tenant_at_a_time(desk: Desk) -> None:
    """A login in both groups, for the tenant that it names."""
    desk.postgres.execute(
        f"CREATE ROLE finance_{desk.tenant[4:]} LOGIN PASSWORD '{PASSWORD}'"
        " IN ROLE bailiwick_auditor, bailiwick_adjuster"
    )
    done = desk.run(
        "rerate", "--from", "2025-11-01", "-f", desk.files(price="10"),
        login=f"finance_{desk.tenant[4:]}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [one[0] for one in desk.adjustments()] == ["a", "u"]


def test_the_database_takes_adjustments_and_nothing_else(desk: Desk) -> None:
    """Whatever a login of finance tries: of other tenants, of no attempt, over what is there."""
    assert desk.run("rerate", "--from", "2025-11-01", "-f", desk.files(price="10")).returncode == 0
    values_of = "made_at, 'rerated', '', state, input_tokens, output_tokens, '', '', '0', 0, 0, '0'"

    def insert(tenant: str, stream: str) -> str:
        return (
            f"INSERT INTO adjustments SELECT '{tenant}', '{stream}', 1, 7, {values_of}"
            " FROM adjustments LIMIT 1"
        )

    with desk.postgres.connect(user=desk.login) as connection:
        connection.autocommit = True
        for setting in (desk.tenant, f"{desk.tenant}-other"):
            connection.execute("SELECT set_config('bailiwick.tenant', %s, false)", (setting,))
            for forbidden in (
                insert(f"{desk.tenant}-other", "a"),
                insert(desk.tenant, "no-such-attempt"),
                "UPDATE adjustments SET cost = '0'",
                "DELETE FROM adjustments",
                "TRUNCATE adjustments",
                "UPDATE attempts SET cost = '0'",
                "DELETE FROM attempts",
                "INSERT INTO attempts SELECT * FROM attempts",
                "INSERT INTO readers VALUES (current_user, 'x')",
                "SET ROLE bailiwick_writer",
                "SET ROLE bailiwick_auditor",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(forbidden.encode())
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(insert(desk.tenant, "a").replace(" 7,", " 1,").encode())
        connection.execute(insert(desk.tenant, "a").encode())
    assert [one[:2] for one in desk.adjustments()] == [("a", 1), ("a", 7), ("u", 1)]
