"""Providers and gateways for the acceptance tests."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from running import CountingProvider


@pytest.fixture
def counting_provider(tmp_path: Path) -> Iterator[Callable[[str], CountingProvider]]:
    """Starts providers by name; each ends with the test."""
    started: list[CountingProvider] = []

    def start(name: str) -> CountingProvider:
        started.append(CountingProvider(name, tmp_path))
        return started[-1]

    yield start
    for provider in started:
        provider.stop()
