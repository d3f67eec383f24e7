"""What is installed is pinned, hashed, and what pyproject.toml asks for."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PINNED = re.compile(
    r"^([a-z0-9][a-z0-9._-]*)==(\S+)(?: ; .*)? \\\n((?: +--hash=.*\n?)+)", re.MULTILINE
)
EXTRAS = {
    "dev.lock": ("operator", "collector", "sidecar", "client", "dev"),
    "operator.lock": ("operator", "collector"),
    "sidecar.lock": ("sidecar",),
}


def wanted(extras: tuple[str, ...]) -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"]]
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    lines += [
        line
        for line in (ROOT / "requirements" / "build.in").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize("lock", sorted(EXTRAS))
def test_a_lock_is_up_to_date(lock: str) -> None:
    """Every requirement has a pin that satisfies it; else `make lock` is due."""
    text = (ROOT / "requirements" / lock).read_text()
    pins = {canonicalize_name(name): version for name, version, _ in PINNED.findall(text)}
    for requirement in wanted(EXTRAS[lock]):
        assert pins[canonicalize_name(requirement.name)] in requirement.specifier, requirement


@pytest.mark.parametrize("lock", sorted(EXTRAS))
def test_every_pin_has_hashes_and_no_address(lock: str) -> None:
    """Nothing is fetched unchecked, and no registry is named."""
    text = (ROOT / "requirements" / lock).read_text()
    packages = re.findall(r"^[a-z0-9].*$", text, re.MULTILINE)
    assert len(packages) == len(PINNED.findall(text)) > 10
    assert "://" not in text
    assert "--index" not in text
