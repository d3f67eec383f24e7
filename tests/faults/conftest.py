"""Short runs with faults, and what they left."""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

# `bench` is a folder of programs beside the tests, not an installed package.
sys.path.insert(0, str(Path(__file__).parents[2]))

from bench.faults.__main__ import free_port
from bench.faults.evidence import Evidence
from bench.faults.run import Options, run
from bench.faults.schedule import Scale
from bench.faults.world import World
from faults.falsified import Found, falsified


@dataclass(frozen=True, slots=True)
class Left:
    """A run's evidence; and what was found once its ledger in PostgreSQL was falsified."""

    evidence: Evidence
    falsified: dict[str, Found]


@pytest.fixture(scope="session")
def left(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Scale], Left]:
    """What callers, providers and books say after 400 calls under the faults of one seed."""

    @cache
    def of(scale: Scale) -> Left:
        options = Options(
            seed=42, count=400, rate=30, at_once=48, every=40, port=free_port(), scale=scale
        )
        lies: dict[str, Found] = {}

        def falsify(world: World) -> None:
            if world.central is not None:
                lies.update(falsified(world.central))

        said: list[str] = []
        folder = tmp_path_factory.mktemp(f"run-{scale.value}")
        evidence = asyncio.run(run(options, folder, say=said.append, before_end=falsify))
        return Left(evidence=evidence, falsified=lies)

    return of


@pytest.fixture(params=list(Scale), ids=[scale.value for scale in Scale])
def evidence(request: pytest.FixtureRequest, left: Callable[[Scale], Left]) -> Evidence:
    """Of one gateway; of two that count together; of those with a collector and a PostgreSQL."""
    return left(request.param).evidence


@pytest.fixture
def full(left: Callable[[Scale], Left]) -> Left:
    """Of the run that has everything."""
    return left(Scale.FULL)
