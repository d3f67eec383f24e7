"""Programs that tests need are built once, however many runs need them at the same moment."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from tools import building


def test_two_runs_at_once_build_a_program_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second waits for the first, and takes what it built."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    begun, second_waits = Event(), Event()
    builds: list[str] = []

    def go_build(module: str, *arguments: str) -> None:
        builds.append(module)
        begun.set()
        assert second_waits.wait(30)
        Path(arguments[arguments.index("-o") + 1]).write_text("a program")

    def say(words: str) -> None:
        if words.startswith("waiting"):
            second_waits.set()

    monkeypatch.setattr(building, "go_build", go_build)
    monkeypatch.setattr(building, "say", say)
    program = tmp_path / "kept" / "vault"

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(building.built, program, "vault", "example.org/vault")
        assert begun.wait(30)
        second = pool.submit(building.built, program, "vault", "example.org/vault")

        assert first.result(30).read_text() == "a program"
        assert second.result(30).read_text() == "a program"
    assert builds == ["vault"]
    assert [file.name for file in program.parent.iterdir()] == ["vault"]
