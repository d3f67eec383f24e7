"""The collector's login out of a real Vault, on a real PostgreSQL, while rows flow."""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from accounting.samples import START, intent, row
from agent.gateway_process import wait_for
from collector.collector_process import ApiDouble, CollectorProcess
from collector.postgres_server import OWNER, PASSWORD, PostgresServer
from vault.vault_binary import DATABASE_PLUGIN, find_or_build, find_or_build_database_plugin
from vault.vault_server import AUDIENCE, ROOT, Cluster, VaultServer

from bailiwick_collector.migrating import migrate
from bailiwick_sidecar.accounting.journal import FileJournal
from bailiwick_sidecar.ledger.writer import LedgerWriter

PAGE = Path(__file__).parents[2] / "docs" / "postgresql.md"
SUBJECT = "system:serviceaccount:bailiwick-system:bailiwick-collector"
MARKED = re.compile("[ZQ]{24}")
"""What every password that this Vault makes looks like, and nothing else."""


@pytest.fixture(scope="module")
def programs() -> tuple[Path, Path]:
    """Built before the first test that needs them, outside of any test's time."""
    return find_or_build(), find_or_build_database_plugin()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A migrated ledger of these tests' own."""
    made = PostgresServer(tmp_path_factory.mktemp("postgres-with-vault"))
    try:
        migrate(made.url(OWNER))
        yield made
    finally:
        made.stop()


@pytest.fixture
def vault(programs: tuple[Path, Path], tmp_path: Path) -> Iterator[VaultServer]:
    """A Vault that has PostgreSQL's plugin, and knows the collector's service account."""
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    plugin = plugins / DATABASE_PLUGIN
    shutil.copy(programs[1], plugin)
    made = VaultServer(tmp_path / "vault", plugins=plugins)
    digest = hashlib.sha256(plugin.read_bytes()).hexdigest()
    made.write(
        f"sys/plugins/catalog/database/{DATABASE_PLUGIN}",
        {"sha256": digest, "command": DATABASE_PLUGIN},
        method="PUT",
    )
    made.write(
        "sys/policies/password/marked",
        {"policy": 'length = 24\nrule "charset" { charset = "ZQ" }'},
        method="PUT",
    )
    cluster = Cluster()
    made.write("sys/auth/jwt", {"type": "jwt"})
    made.write("auth/jwt/config", {"jwt_validation_pubkeys": [cluster.public()]})
    (tmp_path / "vault-token").write_text(cluster.token(subject=SUBJECT))
    yield made
    made.stop()


def let_in(vault: VaultServer, **changes: object) -> None:
    """The collector's role, with the policy that the page writes."""
    vault.write(
        "auth/jwt/role/bailiwick-collector",
        {
            "role_type": "jwt",
            "bound_audiences": [AUDIENCE],
            "bound_subject": SUBJECT,
            "user_claim": "sub",
            "token_policies": ["bailiwick-collector"],
            "token_ttl": "1h",
            **changes,
        },
    )


def documented(language: str) -> str:
    """The commands of the page's part about logins that Vault makes."""
    part = PAGE.read_text().partition("### Or a login that Vault makes")[2].partition("\n## ")[0]
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", part, re.MULTILINE | re.DOTALL)
    return str(found)


def set_up_as_documented(vault: VaultServer, server: PostgresServer, program: Path) -> None:
    """Run the page's commands, on this server and in this Vault."""
    known = server.query("SELECT 1 FROM pg_roles WHERE rolname = 'vault'")
    if known:
        server.execute("ALTER ROLE vault PASSWORD 'until-vault-changes-it'")
    else:
        server.execute(*(one for one in documented("sql").split(";\n") if one.strip()))
    where = f"127.0.0.1:{server.port}/bailiwick?sslmode=disable"
    script = documented("sh").replace(
        "postgres.databases.svc:5432/bailiwick?sslmode=verify-full", where
    )
    assert where in script
    subprocess.run(
        ["sh", "-euc", f'vault() {{ {shlex.quote(str(program))} "$@"; }}\n{script}'],
        env={**os.environ, "VAULT_ADDR": vault.address, "VAULT_TOKEN": ROOT},
        check=True,
        capture_output=True,
        timeout=120,
    )
    # Passwords that can be recognised wherever they turn up.
    vault.write("database/config/bailiwick", {"password_policy": "marked"})


def live_for(vault: VaultServer, *, ttl: str, most: str) -> None:
    """Logins of these lengths of life; the rest of their role is as the page writes it."""
    path = "database/roles/bailiwick-collector"
    written = vault.call("GET", path)[1]["data"]
    vault.write(path, {**written, "default_ttl": ttl, "max_ttl": most})


class World(CollectorProcess):
    """A collector whose login is in Vault, and a gateway whose rows flow to it."""

    def __init__(
        self, folder: Path, server: PostgresServer, api: ApiDouble, place: dict[str, str]
    ) -> None:
        super().__init__(folder, server, api.kubeconfig)
        self.server = server
        (self.tenant,) = api.tenants.values()
        said = msgspec.yaml.decode(self.settings.read_bytes())
        said["database"]["credentials"] = {"vault": place}
        self.settings.write_bytes(msgspec.yaml.encode(said))
        self.names: list[str] = []
        self._stop = threading.Event()
        self._folder = folder

    def said(self, event: str) -> list[str]:
        """Users of the log's events of this kind, in order."""
        return re.findall(rf"event={event} user=(\S+)", self.log())

    def flow(self) -> threading.Thread:
        """Attempts begin and end until the world stops; the thread ends when all are shipped."""
        journal = FileJournal(self._folder / "journal")
        list(journal.replay())
        journal.roll(b"null", now=START)
        writer = LedgerWriter(self.sink(self.tenant), journal, linger=0.02, backoff=(0.05, 0.2))
        writer.start()

        def run() -> None:
            while not self._stop.wait(0.02):
                name = f"s-{len(self.names)}"
                journal.intent(intent(name))
                writer.offer(row(name), journal.outcome(row(name)))
                self.names.append(name)
            wait_for("all rows shipped", lambda: writer.progress().written >= len(self.names), 60)
            assert writer.close(60)
            journal.close()

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def end_flow(self, thread: threading.Thread) -> None:
        """Nothing begins any more, and everything arrives."""
        self._stop.set()
        thread.join(90)
        assert not thread.is_alive()

    def kept(self) -> list[str]:
        """Stream ids in the ledger, each as often as it is there."""
        found = self.server.query(f"SELECT stream_id FROM attempts WHERE tenant = '{self.tenant}'")
        return sorted(str(one[0]) for one in found)

    def tells_no_password(self) -> bool:
        """True where none stands in what the collector wrote."""
        files = [self.settings, self.folder / "collector.log", *self.folder.glob("journal/*")]
        return not any(MARKED.search(path.read_bytes().decode(errors="replace")) for path in files)


@pytest.fixture
def api(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ApiDouble]:
    """Each test has a tenant of its own."""
    tenant = f"t{zlib.crc32(request.node.name.encode())}"
    double = ApiDouble(tmp_path, {f"{tenant}-prod": tenant})
    yield double
    double.close()


@pytest.fixture
def world(
    tmp_path: Path, server: PostgresServer, api: ApiDouble, vault: VaultServer
) -> Iterator[World]:
    """With the database engine, as the chart's settings say it."""
    made = World(
        tmp_path,
        server,
        api,
        {
            "address": vault.address,
            "method": "jwt",
            "authMount": "jwt",
            "role": "bailiwick-collector",
            "engine": "database",
            "mount": "database",
            "path": "creds/bailiwick-collector",
            "tokenFile": str(tmp_path / "vault-token"),
        },
    )
    yield made
    made.stop()


def test_logins_are_renewed_and_replaced_while_rows_flow(
    world: World, vault: VaultServer, programs: tuple[Path, Path]
) -> None:
    """No batch fails for it, each row is there once, and no password is anywhere."""
    set_up_as_documented(vault, world.server, programs[0])
    live_for(vault, ttl="18s", most="36s")
    let_in(vault)
    world.start()
    flowing = world.flow()
    wait_for("another login", lambda: len(world.said("database_login_made")) > 1, 120)
    before = len(world.names)
    wait_for("rows by it", lambda: len(world.kept()) > before, 30)
    world.end_flow(flowing)

    made = world.said("database_login_made")
    assert len(set(made)) == len(made)
    assert world.said("database_login_renewed")
    assert world.kept() == sorted(world.names)
    figures = world.get("/metrics")[1]
    assert 'rows_total{delivery="duplicate"} 0' in figures or "duplicate" not in figures
    assert "database_away" not in world.log()
    assert world.tells_no_password()
    # Those of before end by themselves: nobody has to clean up.
    wait_for("the last login alone", lambda: logins(world.server) == {made[-1]}, 60)


def logins(server: PostgresServer) -> set[object]:
    """Logins that Vault made and did not end yet."""
    found = server.query("SELECT rolname FROM pg_roles WHERE rolname LIKE 'v-%'")
    return {one[0] for one in found}


def test_a_token_that_ends_before_its_logins_is_minded(
    world: World, vault: VaultServer, programs: tuple[Path, Path]
) -> None:
    """Vault ends a token's logins with it: another token asks for another login in time."""
    set_up_as_documented(vault, world.server, programs[0])
    let_in(vault, token_ttl="18s", token_max_ttl="36s")
    world.start()
    flowing = world.flow()
    wait_for("another login", lambda: len(world.said("database_login_made")) > 1, 120)
    (first, *_) = world.said("database_login_made")
    wait_for("the end of the first", lambda: first not in logins(world.server), 60)
    world.end_flow(flowing)

    assert world.kept() == sorted(world.names)
    assert "database_away" not in world.log()


def test_what_vault_does_not_give_is_said_and_waited_for(
    world: World, vault: VaultServer, programs: tuple[Path, Path]
) -> None:
    """No role there, no policy, Vault dead: rows wait at the gateway, and follow."""
    world.start(ready=False)
    flowing = world.flow()
    wait_for("a refusal", lambda: "Vault makes no login of the database" in world.log(), 60)
    assert world.kept() == []
    set_up_as_documented(vault, world.server, programs[0])
    let_in(vault)
    wait_for("rows", lambda: world.kept() != [], 60)
    (user,) = world.said("database_login_made")
    vault.kill()
    before = len(world.kept())
    wait_for("rows without Vault", lambda: len(world.kept()) > before + 20, 60)
    world.end_flow(flowing)

    assert world.kept() == sorted(world.names)
    assert world.said("database_login_made") == [user]
    assert world.tells_no_password()


def test_a_login_in_kv_is_rotated_while_rows_flow(
    world: World, vault: VaultServer, programs: tuple[Path, Path]
) -> None:
    """Another user, written to Vault first: connections move to him; the one before may go."""
    for name in ("ledger_a", "ledger_b"):
        if not world.server.query(f"SELECT 1 FROM pg_roles WHERE rolname = '{name}'"):
            world.server.execute(
                f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}' IN ROLE bailiwick_writer"
            )
    policy = 'path "secret/data/bailiwick/collector" { capabilities = ["read"] }'
    vault.write("sys/policies/acl/bailiwick-collector", {"policy": policy}, method="PUT")
    let_in(vault)

    def put(user: str) -> None:
        said = {"username": user, "password": PASSWORD}
        vault.write("secret/data/bailiwick/collector", {"data": said})

    said = msgspec.yaml.decode(world.settings.read_bytes())
    place = said["database"]["credentials"]["vault"]
    place |= {"engine": "kv", "mount": "secret", "path": "bailiwick/collector"}
    world.settings.write_bytes(msgspec.yaml.encode(said))
    put("ledger_a")
    world.start()
    flowing = world.flow()
    wait_for("rows", lambda: world.kept() != [], 60)
    put("ledger_b")
    world.server.execute("ALTER ROLE ledger_a NOLOGIN")
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ledger_a'"
    assert world.server.query(ended)
    before = len(world.names)
    wait_for("rows by the new user", lambda: len(world.kept()) > before + 20, 60)
    world.end_flow(flowing)

    assert world.kept() == sorted(world.names)
    using = world.server.query(
        "SELECT DISTINCT usename FROM pg_stat_activity WHERE application_name LIKE 'bailiwick%'"
    )
    assert using == [("ledger_b",)]
    assert PASSWORD not in world.log()
