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


# aiohttp 3.14 on Python 3.11 leaves the transports of TLS connections that were cut (kopf's
# watches at the end of an operator) to the garbage collector.
UNCLOSED = (
    "ignore:Exception ignored in. <(function _SelectorTransport|socket.socket)"
    ":pytest.PytestUnraisableExceptionWarning"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings(UNCLOSED))
