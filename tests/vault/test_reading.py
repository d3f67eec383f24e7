"""The client and its session against a real Vault: every row of what can go wrong."""

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from vault.conftest import PATH
from vault.vault_server import ROLE, ROOT, Cluster, VaultServer, trust

from bailiwick_sidecar.secrets import KeyRef
from bailiwick_sidecar.vault.client import VaultClient
from bailiwick_sidecar.vault.outcomes import Cause, Denied, Failed, Found, Missing, Outcome
from bailiwick_sidecar.vault.reader import Login, Reader
from bailiwick_sidecar.vault.settings import Method, VaultSettings

REF = KeyRef("secret", PATH, "api_key")
LOGIN = Login("jwt", ROLE)


class Clock:
    """Seconds that a test moves on."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


Make = Callable[..., Reader]


@pytest.fixture
def reader(trusting: VaultServer, token_file: Path, clock: Clock) -> Iterator[Make]:
    """Makes readers of the trusting server; settings may differ."""
    made: list[Reader] = []

    def make(**changes: object) -> Reader:
        said = {
            "address": trusting.address, "token_file": token_file, "method": Method.JWT,
            "connect_timeout": 0.3, "read_timeout": 0.3, **changes,
        }  # fmt: skip
        settings = VaultSettings(**said)  # type: ignore[arg-type]
        made.append(Reader(VaultClient(settings, clock=clock), clock=clock, random=lambda: 0.5))
        return made[-1]

    yield make
    for one in made:
        one.close()


def read(reader: Reader, ref: KeyRef = REF, login: Login = LOGIN) -> Outcome:
    return reader.read(login, [ref])[ref]


def key(outcome: Outcome) -> tuple[str, int]:
    assert isinstance(outcome, Found), outcome
    return outcome.secret.reveal(), outcome.version


def test_a_key_is_read_with_its_version_and_its_time(reader: Make, trusting: VaultServer) -> None:
    """KV version 2: the newest version, and when it was written."""
    one = reader()
    assert key(read(one)) == ("sk-first", 1)
    before = time.time()
    trusting.put_key(PATH, "sk-second")
    found = read(one)

    assert key(found) == ("sk-second", 2)
    assert isinstance(found, Found)
    assert found.created is not None
    assert before - 2 <= found.created <= time.time() + 2
    assert one.logins == 1


def test_version_1_of_the_engine_is_recognised(reader: Make, trusting: VaultServer) -> None:
    """It has no versions; the mount itself says which it is."""
    trusting.write("sys/mounts/old", {"type": "kv", "options": {"version": "1"}})
    trusting.write("old/llm/a", {"api_key": "sk-v1"})
    trusting.policy("old/llm/a")

    assert key(read(reader(), KeyRef("old", "llm/a", "api_key"))) == ("sk-v1", 0)


def test_what_is_missing_is_named(reader: Make, trusting: VaultServer) -> None:
    """A path, a field, a deleted version, a value that is no key; the next key is still read."""
    trusting.policy("secret/data/llm/*")
    trusting.put_key("llm/newline", "sk-x\n")
    trusting.put_key("llm/deleted", "sk-x")
    trusting.write("secret/delete/llm/deleted", {"versions": [1]})
    wanted = {
        KeyRef("secret", "llm/none", "api_key"): "there is nothing at secret/llm/none",
        KeyRef("secret", PATH, "other"): f"secret/{PATH} has no field other",
        KeyRef("secret", "llm/deleted", "api_key"): "version 1 of secret/llm/deleted is deleted",
        KeyRef("secret", "llm/newline", "api_key"): "is no key: it must be visible ASCII",
    }
    said = reader().read(LOGIN, [*wanted, REF])

    for ref, words in wanted.items():
        outcome = said[ref]
        assert isinstance(outcome, Missing)
        assert words in outcome.what
        assert "sk-x" not in outcome.what
    assert key(said[REF]) == ("sk-first", 1)


def test_each_failure_of_vault_has_its_own_cause(reader: Make, trusting: VaultServer) -> None:
    """Slow, sealed, back again, unreachable."""
    one = reader()
    assert key(read(one)) == ("sk-first", 1)

    with trusting.frozen():
        slow = read(one)
    assert isinstance(slow, Failed)
    assert slow.cause is Cause.SLOW

    trusting.seal()
    sealed = read(one)
    assert isinstance(sealed, Failed)
    assert sealed.cause is Cause.SEALED
    trusting.unseal()
    assert key(read(one)) == ("sk-first", 1)

    trusting.kill()
    away = read(one)
    assert isinstance(away, Failed)
    assert away.cause is Cause.UNREACHABLE
    assert trusting.address in away.what


def test_while_vault_is_slow_one_key_is_asked_for_and_not_each(
    reader: Make, trusting: VaultServer
) -> None:
    """A round takes one timeout, however many keys there are."""
    one = reader()
    read(one)
    refs = [KeyRef("secret", f"llm/{n}", "k") for n in range(20)]
    with trusting.frozen():
        said = one.read(LOGIN, refs)

    assert set(said.values()) == {said[refs[0]]}
    assert len(said) == 20
    asked = trusting.asked("read", "secret/data/llm/")
    assert set(asked) <= {f"secret/data/{PATH}", "secret/data/llm/0"}


def test_a_policy_that_is_taken_away_is_a_denial_after_one_more_login(
    reader: Make, trusting: VaultServer
) -> None:
    """And its return is noticed without a new process."""
    one = reader()
    read(one)
    trusting.policy()
    denied = read(one)

    assert isinstance(denied, Denied)
    assert "permission denied" in denied.what
    assert one.logins == 2
    trusting.policy(f"secret/data/{PATH}")
    assert key(read(one)) == ("sk-first", 1)


def test_a_revoked_token_is_replaced_by_a_new_login(reader: Make, trusting: VaultServer) -> None:
    """The key stays readable: only the token had been taken away."""
    one = reader()
    read(one)
    trusting.write("sys/leases/revoke-prefix/auth/jwt", {}, method="PUT")

    assert key(read(one)) == ("sk-first", 1)
    assert one.logins == 2


def test_a_role_that_is_gone_with_its_tokens_is_a_denial(
    reader: Make, trusting: VaultServer
) -> None:
    """Vault said no to a token that should hold, and does not log in either."""
    one = reader()
    read(one)
    trusting.write("sys/leases/revoke-prefix/auth/jwt", {}, method="PUT")
    trusting.write(f"auth/jwt/role/{ROLE}", None, method="DELETE")

    assert isinstance(read(one), Denied)


def test_a_login_that_is_refused_from_the_start_says_so(reader: Make, token_file: Path) -> None:
    """A stranger's token, and a file that is not there."""
    token_file.write_text(Cluster().token())
    refused = read(reader())
    token_file.unlink()
    missing = read(reader())

    for outcome in (refused, missing):
        assert isinstance(outcome, Failed)
        assert outcome.cause is Cause.LOGIN_REFUSED
    assert str(token_file) in missing.what  # type: ignore[union-attr]


def test_the_projected_token_is_read_again_at_each_login(
    reader: Make, trusting: VaultServer, token_file: Path, cluster: Cluster, clock: Clock
) -> None:
    """The kubelet replaces the file; a login with the first content would fail."""
    one = reader()
    read(one)
    fresh = cluster.token(ttl=900)
    token_file.write_text(fresh)
    clock.ahead += 7200

    assert key(read(one)) == ("sk-first", 1)
    assert one.logins == 2


def test_the_token_is_renewed_at_two_thirds_of_its_life(
    reader: Make, trusting: VaultServer, clock: Clock
) -> None:
    """Up to a tenth sooner; nobody logs in for that."""
    one = reader()
    start = clock()
    read(one)
    assert one.renew_at == pytest.approx(start + 3600 * 2 / 3 * 0.95, abs=5)

    clock.ahead = one.renew_at - start + 1
    read(one)

    assert one.logins == 1
    assert one.renew_at > clock()
    assert len(trusting.asked("update", "auth/token/renew-self")) == 1


def test_near_a_tokens_longest_life_there_is_a_new_login(
    trusting: VaultServer, reader: Make, clock: Clock
) -> None:
    """Vault grants ever shorter renewals then: the reader does not wait for the last."""
    trust_again = {"token_ttl": "3s", "token_max_ttl": "4s"}
    trusting.write(
        f"auth/jwt/role/{ROLE}",
        {
            "role_type": "jwt",
            "bound_audiences": ["vault"],
            "user_claim": "sub",
            "token_policies": [ROLE],
            **trust_again,
        },
    )
    one = reader()
    read(one)
    end = time.monotonic() + 10
    while one.logins < 2:
        assert time.monotonic() < end
        assert isinstance(read(one), Found)
        time.sleep(0.05)

    assert isinstance(read(one), Found)


def test_tls_needs_the_right_authority(
    vault_program: Path, cluster: Cluster, token_file: Path, tmp_path: Path, reader: Make
) -> None:
    """With its CA it works; with another, or the system's, nothing is sent."""
    server = VaultServer(tmp_path / "tls", tls=True)
    try:
        trust(server, cluster)
        server.policy(f"secret/data/{PATH}")
        server.put_key(PATH, "sk-tls")
        assert server.ca is not None
        trusted = read(reader(address=server.address, ca_file=server.ca))
        strange = read(reader(address=server.address))
        logins = server.asked("update", "auth/jwt/login")
    finally:
        server.stop()

    assert key(trusted) == ("sk-tls", 1)
    assert isinstance(strange, Failed)
    assert strange.cause is Cause.UNREACHABLE
    assert "certificate is not trusted" in strange.what
    assert len(logins) == 1


def test_the_namespace_goes_with_each_request(reader: Make) -> None:
    """Only Enterprise and OpenBao have namespaces: a server that remembers headers stands in."""
    seen: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(self.headers.get("X-Vault-Namespace"))
            self.send_error(503)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as stand_in:
        thread = threading.Thread(target=stand_in.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{stand_in.server_port}"
        outcomes = [read(reader(address=address, namespace=name)) for name in ("team-a", "")]
        stand_in.shutdown()
        thread.join()

    assert seen == ["team-a", None]
    assert [one.cause for one in outcomes if isinstance(one, Failed)] == [Cause.SEALED] * 2


def test_a_vault_token_from_a_file_serves_for_development(
    reader: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment's own token and address have no part in it."""
    monkeypatch.setenv("VAULT_TOKEN", "wrong")
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:1")
    file = tmp_path / "root-token"
    file.write_text(f"{ROOT}\n")

    assert key(read(reader(method=Method.TOKEN, token_file=file))) == ("sk-first", 1)


def test_the_token_is_given_back_at_the_end(reader: Make, trusting: VaultServer) -> None:
    """A gateway that goes leaves no token behind that somebody could use."""
    one = reader()
    read(one)
    one.close()

    assert trusting.asked("update", "auth/token/") == ["auth/token/revoke-self"]
