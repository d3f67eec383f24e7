"""Every command that the documentation shows is run as it is printed, against a gateway."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/quickstart.md",
    "docs/cli.md",
    "docs/chargeback.md",
)
PROMPT = re.compile(r"^\$ ", re.MULTILINE)
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(document: str) -> list[str]:
    """What follows each `$ ` of the console blocks, continued lines included."""
    blocks = BLOCK.findall((ROOT / document).read_text())
    return [
        command for block in blocks for command in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    ]


@pytest.fixture(scope="module")
def checkout(serving: Any) -> Path:
    """A folder that looks like the repository and has the gateway's data directory."""
    folder: Path = serving.folder / "checkout"
    folder.mkdir()
    for entry in ROOT.iterdir():
        if entry.name not in (".git", ".venv", ".bailiwick"):
            (folder / entry.name).symlink_to(entry)
    (folder / ".venv").symlink_to(Path(sys.executable).parents[1])
    (folder / ".bailiwick").symlink_to(serving.data)
    return folder


def run(script: str, *, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_work_as_printed(serving: Any, checkout: Path, document: str) -> None:
    """Each ends well, in order and in one shell; make shows what it would do."""
    script = "".join(
        command.replace("make ", "make --dry-run ", 1) if command.startswith("make ") else command
        for command in commands(document)
    )
    assert script
    here = script.replace("127.0.0.1:8080", f"127.0.0.1:{serving.port}")
    ran = run(here, folder=checkout)
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    assert '"error"' not in ran.stdout


def test_what_up_prints_works_when_pasted(serving: Any) -> None:
    """The token, the curl line, the Python snippet and the ledger command after the table."""
    said = serving.said()
    pasted = said.split("of tenant demo:\n", 1)[1].split("Edits of the files", 1)[0]
    assert pasted.startswith("\nTOKEN=")
    ran = run(pasted, folder=serving.folder)
    assert ran.returncode == 0, ran.stderr
    assert "Hello there" in ran.stdout
    assert "Hello from echo, word by word" in ran.stdout


def test_the_table_says_where_it_serves(serving: Any) -> None:
    """One line with namespace, tenant, URL, metrics, routes and state."""
    [line] = [
        line for line in serving.said().splitlines() if serving.url() in line and "/metrics" in line
    ]
    assert line.split() == [
        "demo", "demo", serving.url(), f"http://127.0.0.1:{serving.metrics_port}/metrics",
        "echo,", "embedding,", "fallback,", "image,", "picture,", "slow", "serving",
    ]  # fmt: skip


def test_links_lead_somewhere() -> None:
    """Every relative link of these pages names something that is there."""
    for document in DOCUMENTS:
        page = ROOT / document
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{document}: {target}"
