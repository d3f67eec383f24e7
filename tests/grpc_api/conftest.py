"""Helpers of these tests, importable by name."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent / "acceptance"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from collections.abc import Iterator  # noqa: E402 -- behind the path

import pytest  # noqa: E402 -- as above
from serving import Served, serving  # noqa: E402 -- as above


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One gateway for all tests of typed clients."""
    with serving(tmp_path_factory.mktemp("grpc")) as found:
        yield found
