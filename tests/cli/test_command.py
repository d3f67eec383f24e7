"""The command as a whole: quick to start, and clear when something is wrong."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

HEAVY = (
    "asyncio", "envoy_data_plane", "grpc", "google.protobuf", "jsonschema", "cryptography",
    "sqlalchemy", "yaml", "watchfiles", "genai_prices", "bailiwick_operator", "bailiwick_sidecar",
)  # fmt: skip


def test_starting_imports_no_command_s_work() -> None:
    """What --help and --version load is Typer and the options: nothing that takes time."""
    line = "import sys, bailiwick_cli.main; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()).isdisjoint(HEAVY)


def test_up_itself_does_without_envoy_s_messages() -> None:
    """The supervisor stays small: what takes 55 MiB is imported in other processes."""
    line = "import sys, bailiwick_cli.up.command; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True)
    assert "envoy_data_plane" not in done.stdout.split()


def test_help_names_every_command(bailiwick: Any) -> None:
    """Each has its line."""
    ran = bailiwick("--help")
    assert ran.code == 0
    for command in ("up", "token", "validate", "ledger"):
        assert f" {command} " in ran.out


def test_version(bailiwick: Any) -> None:
    """The installed version."""
    assert bailiwick("--version").out == f"bailiwick {version('bailiwick')}\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("ledger", "top"), "there is no data directory .bailiwick"),
        (("ledger", "top", "--data-dir", "d"), "there is no ledger"),
        (("ledger", "top", "--data-dir", "d", "--namespace", "x"), "'x' was never served"),
        (("ledger", "top", "--data-dir", "d", "--time-zone", "Mars/X"), "is no time zone"),
        (("ledger", "export", "--data-dir", "d", "--since", "soon"), "'soon' is no date or time"),
    ],
)
def test_mistakes_are_one_message(
    bailiwick: Any, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    """What is wrong and what to do, on stderr; nothing on stdout; exit code 1."""
    (tmp_path / "d").mkdir()
    ran = bailiwick(*arguments)
    assert (ran.code, ran.out) == (1, "")
    assert says in ran.err
    assert "Traceback" not in ran.err


def test_wrong_usage_is_exit_code_2(bailiwick: Any) -> None:
    """An option that does not exist."""
    assert bailiwick("up", "--nope").code == 2
