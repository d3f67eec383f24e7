"""The agent's command line."""

from pathlib import Path

import pytest

from bailiwick_sidecar.ledger.address import CollectorAddress, CollectorOptionsError
from bailiwick_sidecar.settings import SettingsError, parse

NEEDED = ["--run-dir", "r", "--config", "c", "--state-dir", "s"]


def test_paths_become_absolute_and_addresses_are_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent changes its directory, so nothing may depend on where it was started."""
    monkeypatch.chdir(tmp_path)
    settings = parse([*NEEDED, "--listen", "[::1]:80", "--secrets", "k"])

    assert (settings.run_dir, settings.config) == (tmp_path / "r", tmp_path / "c")
    assert (settings.listen_host, settings.listen_port) == ("::1", 80)
    assert (settings.metrics_host, settings.metrics_port) == ("127.0.0.1", 9090)
    assert settings.secrets == tmp_path / "k"
    assert settings.journal.parent == tmp_path / "s"


@pytest.mark.parametrize("address", ["8080", ":8080", "host:", "host:x", "host:70000", "host:-1"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    """The message names the option."""
    with pytest.raises(SettingsError, match="--listen"):
        parse([*NEEDED, "--listen", address])


COLLECTOR = ["--collector", "c:1", "--collector-ca", "ca.pem", "--collector-token", "t"]


def test_a_collector_takes_three_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is, by what it is believed, and what proves this gateway; without any: a file."""
    monkeypatch.chdir(tmp_path)

    assert parse([*NEEDED, *COLLECTOR]).collector == CollectorAddress(
        address="c:1", ca=tmp_path / "ca.pem", token=tmp_path / "t"
    )
    assert parse(NEEDED).collector is None


@pytest.mark.parametrize("missing", [0, 2, 4])
def test_half_a_collector_is_refused(missing: int) -> None:
    """The message names all three."""
    some = COLLECTOR[:missing] + COLLECTOR[missing + 2 :]
    with pytest.raises(CollectorOptionsError, match="--collector-ca and --collector-token"):
        parse([*NEEDED, *some])
