"""Keys in memory with Vault played by a script: schedules, storms, what attempts are lent."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick_contract.v1.tenant_config_pb2 import Vault
from bailiwick_sidecar.key_marks import KeyMark, Lent
from bailiwick_sidecar.secrets import Absent, KeyRef, Secret
from bailiwick_sidecar.settings import SettingsError, parse
from bailiwick_sidecar.vault.errors import VaultError
from bailiwick_sidecar.vault.outcomes import Cause, Found, Missing
from bailiwick_sidecar.vault.settings import VaultSettings, VaultSettingsError
from bailiwick_sidecar.vault.source import Clocks, VaultKeys
from bailiwick_sidecar.vault.timing import Demand, Lease, poll_pause, retry_pause

REF = KeyRef("secret", "llm/a", "api_key")
WHO = Vault(auth_mount="jwt", role="r")
SETTINGS = VaultSettings(
    address="https://vault.test", token_file=Path("none"), poll=30, max_stale=100
)


class Script:
    """A Vault that says what `key` is, or raises it; counts what it is asked."""

    def __init__(self, key: str | VaultError = "k1") -> None:
        self.key: str | VaultError = key
        self.logins: list[tuple[str, str]] = []
        self.reads = 0

    def login(self, *, mount: str, role: str) -> Lease:
        self.logins.append((mount, role))
        return Lease(Secret("t"), ttl=0, renewable=False, since=0)

    def renew(self) -> Lease:
        raise AssertionError("a token without an end is not renewed")

    def revoke(self) -> None:
        """Nothing to give back."""

    def read(self, ref: KeyRef) -> Found | Missing:
        self.reads += 1
        if isinstance(self.key, VaultError):
            raise self.key
        return Found(Secret(self.key), self.reads, key_id=f"key_{self.reads}")


def play(script: Script, scene: Callable[[VaultKeys], Awaitable[None]]) -> None:
    """Run the scene beside the source's own task; random is always 0."""

    async def stage() -> None:
        clocks = Clocks(random=lambda: 0.0)
        keys = VaultKeys(SETTINGS, clocks=clocks, connect=lambda *_: script)
        keys.configure({REF}, WHO)
        running = asyncio.create_task(keys.run())
        try:
            await scene(keys)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(stage())


async def until(probe: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not probe():  # noqa: ASYNC110 -- what is waited for is another task's doing
            await asyncio.sleep(0.001)


def has(keys: VaultKeys, text: str) -> bool:
    return keys.get(REF) == Secret(text)


def test_a_key_that_vault_never_gave_is_asked_for_again_soon_after_a_denial() -> None:
    """A config may be there before the policy that lets its keys be read; a poll is too long."""
    script = Script(VaultError(Cause.LOGIN_REFUSED, "no", refused=True))

    async def scene(keys: VaultKeys) -> None:
        await until(lambda: script.reads >= 2)
        script.key = "k1"
        await until(lambda: has(keys, "k1"))

    play(script, scene)


def test_many_refused_attempts_ask_vault_once_and_then_ever_less_often() -> None:
    """All of a burst wait for the same answer; a key that stays refused is no storm."""
    script = Script()

    async def scene(keys: VaultKeys) -> None:
        await until(lambda: has(keys, "k1"))
        for burst in range(20):
            attempts = [(f"s-{burst}-{n}", 1) for n in range(50)]
            for attempt in attempts:
                keys.lend(attempt, REF)
            answers = await asyncio.gather(*(keys.replaced(one, REF) for one in attempts))
            assert answers == [False] * 50

    play(script, scene)
    assert script.reads == 2


def test_all_of_a_burst_get_the_new_key() -> None:
    """One read, fifty further attempts."""
    script = Script()

    async def scene(keys: VaultKeys) -> None:
        await until(lambda: has(keys, "k1"))
        attempts = [(f"s-{n}", 1) for n in range(50)]
        for attempt in attempts:
            keys.lend(attempt, REF)
        script.key = "k2"
        assert await asyncio.gather(*(keys.replaced(one, REF) for one in attempts)) == [True] * 50
        assert keys.lend(("s-0", 2), REF) == Lent(
            Secret("k2"), KeyMark("secret/llm/a#api_key@2", "key_2")
        )

    play(script, scene)
    assert script.reads == 2


def test_an_attempt_that_was_lent_nothing_gets_no_second_chance() -> None:
    """Nor one whose loan was settled before, nor one of another key."""
    script = Script()

    async def scene(keys: VaultKeys) -> None:
        await until(lambda: has(keys, "k1"))
        assert not await keys.replaced(("never", 1), REF)
        keys.lend(("s", 1), REF)
        keys.ended(("s", 1), 200)
        assert not await keys.replaced(("s", 1), REF)

    play(script, scene)


def test_a_refusal_that_the_records_told_first_is_known_to_the_further_attempt() -> None:
    """Record and question come in either order."""
    script = Script()

    async def scene(keys: VaultKeys) -> None:
        await until(lambda: has(keys, "k1"))
        keys.lend(("s", 1), REF)
        script.key = "k2"
        keys.ended(("s", 1), 401)
        assert await keys.replaced(("s", 1), REF)

    play(script, scene)


def test_a_key_that_no_config_needs_any_more_is_forgotten() -> None:
    """From one moment to the next, with no answer of Vault in between."""

    async def scene(keys: VaultKeys) -> None:
        await until(lambda: has(keys, "k1"))
        keys.configure((), WHO)
        assert isinstance(keys.get(REF), Absent)
        assert isinstance(keys.lend(("s", 1), REF), Absent)

    play(Script(), scene)


def test_another_role_logs_in_anew_at_once() -> None:
    """The keys stay in use until Vault has answered."""
    script = Script()

    async def scene(keys: VaultKeys) -> None:
        await until(lambda: has(keys, "k1"))
        keys.configure({REF}, Vault(auth_mount="jwt", role="other"))
        assert has(keys, "k1")
        await until(lambda: len(script.logins) == 2)

    play(script, scene)
    assert script.logins == [("jwt", "r"), ("jwt", "other")]


def test_without_a_role_vault_is_not_asked() -> None:
    """The reason names what is missing."""
    script = Script()

    async def scene(keys: VaultKeys) -> None:
        keys.configure({REF}, Vault())
        await asyncio.sleep(0)
        found = keys.get(REF)
        assert isinstance(found, Absent)
        assert "no Vault role" in found.reason

    play(script, scene)
    assert len(script.logins) <= 1


def test_a_denied_key_has_its_own_code() -> None:
    """Callers are told so."""
    script = Script(VaultError(Cause.LOGIN_REFUSED, "no", refused=True))

    async def scene(keys: VaultKeys) -> None:
        await until(lambda: isinstance(f := keys.get(REF), Absent) and "refuses" in f.reason)
        found = keys.get(REF)
        assert isinstance(found, Absent)
        assert found.code == "credential_revoked"
        assert [one.reason for one in keys.degraded()] == ["CredentialRevoked"]

    play(script, scene)


@given(st.integers(1, 200), st.floats(0.1, 3600), st.floats(0, 1, exclude_max=True))
def test_retries_are_bounded_and_spread(failures: int, period: float, chance: float) -> None:
    """At least half a second, or the poll, apart; a minute and two polls at most."""
    pause = retry_pause(failures, period, chance)

    assert min(0.5, period) <= pause <= min(60, 2 * period)
    assert retry_pause(failures + 1, period, chance) >= pause


@given(st.floats(0.1, 3600), st.floats(0, 1, exclude_max=True))
def test_polls_are_spread_around_the_period(period: float, chance: float) -> None:
    """A tenth more or less."""
    assert 0.9 * period <= poll_pause(period, chance) <= 1.1 * period * (1 + 1e-9)


@given(st.lists(st.booleans(), max_size=60))
def test_demand_between_polls_is_bounded(answers: list[bool]) -> None:
    """Ever less while the key stays the same, and at once again after it changed."""
    now, demand = 0.0, Demand()
    for fruitful in answers:
        demand = demand.asked(now, fruitful=fruitful)
        assert demand.allowed_at == 0 if fruitful else now + 1 <= demand.allowed_at <= now + 30
        now = max(now, demand.allowed_at)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"address": "vault:8200"}, "write https://HOST:PORT"),
        ({"address": "http://vault.example:8200"}, "plain http to vault.example"),
        ({"address": "https://me:secret@vault.example"}, "nothing but scheme, host"),
        ({"poll": 0}, "poll 0 s must be more than 0"),
        ({"max_stale": 59, "poll": 30}, "at least twice"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(changes: dict[str, object], words: str) -> None:
    """The message says which and what instead, and repeats no password."""
    said = {"address": "https://v", "token_file": Path("t"), **changes}
    with pytest.raises(VaultSettingsError, match=words) as refused:
        VaultSettings(**said)  # type: ignore[arg-type]

    assert "secret" not in str(refused.value)


def test_keys_come_from_a_file_or_from_vault_and_not_from_both(tmp_path: Path) -> None:
    """Whoever gives both is asked which."""
    given = [
        f"--run-dir={tmp_path}", f"--state-dir={tmp_path}", f"--config={tmp_path}/c",
        "--vault-address=https://v",
    ]  # fmt: skip
    assert parse(given).vault == VaultSettings(
        address="https://v", token_file=Path("/var/run/secrets/bailiwick/vault/token")
    )
    with pytest.raises(SettingsError, match="exclude each other"):
        parse([*given, "--secrets=x"])
    with pytest.raises(VaultSettingsError, match="is no file"):
        parse([*given, f"--vault-ca-file={tmp_path}/none"])
