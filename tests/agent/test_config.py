"""Configs: which are taken, what Envoy has of them, and what survives a restart."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from admission.acme import backend, config, limit, provider

from bailiwick_contract.canon import canonical_bytes
from bailiwick_sidecar.config.source import FileConfigSource, Update
from bailiwick_sidecar.config.status import Status, StatusFile
from bailiwick_sidecar.config.store import ConfigStore
from bailiwick_sidecar.readiness import readiness


def update(sequence: int = 1, **changes: Any) -> Update:
    return Update(sequence, canonical_bytes(config(**changes)))


def store(path: Path) -> ConfigStore:
    return ConfigStore(path / "config.acked", clock=lambda: 5.0)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (Update(2, b"\xff\xff\xff"), "cannot be read"),
        (Update(2, b""), "contract version 0"),
        (update(2, contractVersion=2), "contract version 2, this gateway speaks 1"),
        (update(2, tenant="globex"), "tenant 'globex', this gateway serves 'acme'"),
        (update(2, namespace="acme-dev"), "namespace 'acme-dev'"),
        (update(2, providers=[]), "is not part of this config"),
        (update(2, limits=[limit("x", "UNSPECIFIED")]), "kind 0 is not known"),
        (update(2, timeZone="Mars/Olympus"), "Mars/Olympus"),
        (Update(2, b"x" * 1_000_000), "larger than"),
    ],
)
def test_a_config_that_cannot_be_obeyed_is_refused_whole(
    tmp_path: Path, bad: Update, words: str
) -> None:
    """The one before stays in force; the error says what to do."""
    configs = store(tmp_path)
    first = configs.take(update())
    assert configs.take(bad) is None

    assert configs.desired is first
    assert words in configs.error
    assert configs.newest == 2
    assert configs.take(update(3)) is not None
    assert configs.error == ""


def test_what_envoy_took_is_what_a_restart_begins_with(tmp_path: Path) -> None:
    """A config that Envoy refused is never the one that a new agent starts on."""
    configs = store(tmp_path)
    good = configs.take(update())
    assert good is not None
    configs.acknowledged(good.digest)
    worse = configs.take(update(2, currency="EUR"))
    assert worse is not None
    configs.rejected(worse.digest, "bad cluster")

    assert configs.error == "Envoy refused the config: bad cluster"
    assert not configs.current
    after = store(tmp_path)
    after.load()
    assert after.desired is not None
    assert after.desired.digest == good.digest
    assert after.acked is after.desired
    assert (tmp_path / "config.acked").stat().st_mode & 0o077 == 0


def test_late_answers_to_an_older_config_change_nothing(tmp_path: Path) -> None:
    """Only the config that is wanted now can be acknowledged or refused."""
    configs = store(tmp_path)
    old = configs.take(update())
    new = configs.take(update(2, currency="EUR"))
    assert old is not None
    assert new is not None
    configs.acknowledged(old.digest)
    configs.rejected(old.digest, "late")

    assert (configs.acked, configs.error) == (None, "")
    configs.acknowledged(new.digest)
    assert configs.current


def test_a_damaged_last_good_is_no_reason_not_to_start(tmp_path: Path) -> None:
    """It is left alone and said in the log; the config that is given decides."""
    (tmp_path / "config.acked").write_bytes(b"\xff")
    configs = store(tmp_path)
    configs.load()

    assert configs.desired is None
    assert configs.take(update()) is not None


def test_limits_and_permissions_hold_at_once_backends_with_envoys_answer(tmp_path: Path) -> None:
    """Before the acknowledgement a new backend is not planned, but a closed tier is closed."""
    configs = store(tmp_path)
    first = configs.take(update())
    assert first is not None
    configs.acknowledged(first.digest)
    routes = [{"name": "fast", "aliases": ["fast"], "backends": [backend("n", "P/b")]}]
    second = configs.take(update(2, routes=routes, modelAccess=[{"tier": "premium"}]))
    during = configs.tables()
    assert second is not None
    assert during is not None

    assert [place.name for place in during.ways["fast"].live] == ["a", "b"]
    assert not during.tier_open("shared", "search")
    assert "smart" not in during.ways
    configs.acknowledged(second.digest)
    after = configs.tables()
    assert after is not None
    assert [place.name for place in after.ways["fast"].live] == ["n"]


def test_a_replaced_file_is_seen_once(tmp_path: Path) -> None:
    """Each new content comes once, in order; a file that is missing or the same gives nothing."""
    path = tmp_path / "config"
    source = FileConfigSource(path)

    def put(data: bytes) -> None:
        fresh = tmp_path / "fresh"
        fresh.write_bytes(data)
        fresh.rename(path)

    assert source.read() is None
    put(b"one")
    assert source.read() == Update(1, b"one")
    assert source.read() is None
    put(b"one")
    assert source.read() is None
    put(b"two")

    async def following() -> Update:
        async for found in source.updates():
            return found
        raise AssertionError

    assert asyncio.run(following()) == Update(2, b"two")


def test_the_status_file_says_where_the_agent_is(tmp_path: Path) -> None:
    """Written whole, and only when something changed."""
    path = tmp_path / "status.json"
    file = StatusFile(path)
    configs = store(tmp_path)
    taken = configs.take(update())
    assert taken is not None
    status = Status.of(configs, reasons=("Envoy is away",), warnings=())
    file.write(status)
    first = path.stat().st_ino
    file.write(Status.of(configs, reasons=("Envoy is away",), warnings=()))

    assert path.stat().st_ino == first
    assert f'"desired":"{taken.digest}"' in path.read_text()
    assert '"ready":false,"reasons":["Envoy is away"]' in path.read_text()


def ready(tmp_path: Path, **said: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    configs = store(tmp_path)
    taken = configs.take(update(providers=[provider("P/a"), provider("P/b")]))
    assert taken is not None
    configs.acknowledged(taken.digest)
    given = {
        "acked": True, "issuers": 2, "key_sets": 2, "key_problems": (), "has_key": lambda _: True,
        **said,
    }  # fmt: skip
    state = readiness(configs.tables(), **given)
    return state.reasons, state.warnings


def test_ready_means_that_some_call_can_be_served(tmp_path: Path) -> None:
    """One missing key or issuer is a warning; all of them, or no Envoy, are reasons."""
    assert ready(tmp_path) == ((), ())
    assert ready(tmp_path, acked=False)[0] == ("Envoy has not taken a config yet",)
    assert ready(tmp_path, key_sets=1, key_problems=("corp is down",)) == ((), ("corp is down",))
    assert "corp is down" in ready(tmp_path, key_sets=0, key_problems=("corp is down",))[0][0]
    reasons, warnings = ready(tmp_path, has_key=lambda place: place.name == "b")
    assert (reasons, len(warnings)) == ((), 1)
    assert "no backend has a key" in ready(tmp_path, has_key=lambda _: False)[0][0]
    nothing = readiness(
        None, acked=True, issuers=0, key_sets=0, key_problems=(), has_key=lambda _: True
    )
    assert not nothing.ready
