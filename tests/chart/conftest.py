"""A control plane of its own: policies and roles of the chart are in force in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster.control_plane import ControlPlane


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A real kube-apiserver that holds nothing of Bailiwick."""
    folder: Path = tmp_path_factory.mktemp("chart-control-plane")
    with ControlPlane(folder) as plane:
        yield plane
