"""A real Vault with one key, and a cluster whose service account may read it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from vault.measured import LINES
from vault.vault_binary import find_or_build
from vault.vault_server import Cluster, VaultServer, trust

PATH = "llm/acme/openai"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was measured, for whoever wants to know."""
    if LINES:
        terminalreporter.section("measured")
        for line in LINES:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def vault_program() -> Path:
    """Built before the first test that needs it, outside of any test's time."""
    return find_or_build()


@pytest.fixture
def server(vault_program: Path, tmp_path: Path) -> Iterator[VaultServer]:
    started = VaultServer(tmp_path / "vault")
    yield started
    started.stop()


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def token_file(tmp_path: Path, cluster: Cluster) -> Path:
    """The projected token, as the kubelet would write it."""
    path = tmp_path / "token"
    path.write_text(cluster.token())
    return path


@pytest.fixture
def trusting(server: VaultServer, cluster: Cluster) -> VaultServer:
    """The server with one key that the gateway may read."""
    trust(server, cluster)
    server.policy(f"secret/data/{PATH}")
    server.put_key(PATH, "sk-first")
    return server
