"""Every test that a page about security names is there, and no item of a list is missing."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`(tests/[a-z0-9_/]+\.py)::(test_[a-z0-9_]+)`")


def functions(file: Path) -> set[str]:
    """Names of a file's test functions."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {
        one.name
        for one in ast.walk(tree)
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize(
    ("page", "least"), [("hardening.md", 20), ("security.md", 20), ("keys/threats.md", 15)]
)
def test_named_tests_are_there(page: str, least: int) -> None:
    """A defence that names a test has it."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found = NAMED.findall(text)

    assert len(found) >= least
    for file, name in found:
        assert (ROOT / file).exists(), file
        assert name in functions(ROOT / file), f"{file}::{name}"


@pytest.mark.parametrize(
    ("page", "letter", "count"), [("hardening.md", "E", 30), ("security.md", "T", 40)]
)
def test_no_item_is_left_out(page: str, letter: str, count: int) -> None:
    """Each has its row, and the row a test or a reason."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    rows = {
        int(number): rest.split("|")
        for number, rest in re.findall(rf"^\| {letter}(\d+) \|(.*)\|$", text, re.MULTILINE)
    }

    assert set(rows) == set(range(1, count + 1))
    for number, cells in rows.items():
        assert len(cells) == 3, f"{letter}{number}"
        assert all(cell.strip() for cell in cells), f"{letter}{number}"
