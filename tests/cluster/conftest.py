"""A control plane for the session; what tests make in it, they name for themselves."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster.control_plane import ControlPlane


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A real kube-apiserver with this repository's CRDs."""
    folder: Path = tmp_path_factory.mktemp("control-plane")
    with ControlPlane(folder) as plane:
        plane.install_crds()
        yield plane
