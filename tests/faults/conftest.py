"""Two short runs with faults, and what they left."""

import asyncio
import sys
from pathlib import Path

import pytest

# `bench` is a folder of programs beside the tests, not an installed package.
sys.path.insert(0, str(Path(__file__).parents[2]))

from bench.faults.__main__ import free_port
from bench.faults.evidence import Evidence
from bench.faults.run import Options, run


@pytest.fixture(scope="session", params=[False, True], ids=["alone", "together"])
def evidence(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """What callers, providers and books say after 400 calls under the faults of one seed.

    One gateway, or two that count together.
    """
    options = Options(
        seed=42, count=400, rate=30, at_once=48, every=50, port=free_port(), shared=request.param
    )
    said: list[str] = []
    return asyncio.run(run(options, tmp_path_factory.mktemp("run"), say=said.append))
