"""The cluster, empty before and after; and what was seen on the way."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from e2e.client import Cluster
from e2e.world import namespaces, refuse_a_used_cluster, remove

PARTS = ("operator", "gateway", "caller", "vault", "postgres")


@dataclass(slots=True)
class Story:
    """What one step leaves to the next: every call's outcome, by workload."""

    vault_ca: str = ""
    calls: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def served(self) -> list[dict[str, Any]]:
        """Calls that were answered by a provider."""
        return [one for calls in self.calls.values() for one in calls if one["status"] == 200]


@pytest.fixture(scope="session")
def story() -> Story:
    return Story()


@pytest.fixture(scope="session")
def images() -> dict[str, str]:
    """Names of the images, as tests/e2e/images made them."""
    tag = os.environ.get("E2E_TAG", "e2e")
    return {part: f"localhost/bailiwick-{part}" for part in PARTS} | {"tag": tag}


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The cluster; E2E_KEEP=1 leaves everything there to be looked at."""
    found = Cluster()
    refuse_a_used_cluster(found)
    print("removing what an earlier run left …", flush=True)
    remove(found)
    found.apply(namespaces())
    try:
        yield found
    finally:
        if not os.environ.get("E2E_KEEP"):
            print("\ncleaning up …", flush=True)
            remove(found)
