"""What `bailiwick up` says when it can't start: the cause, the cure, and nothing left running."""

import subprocess
from pathlib import Path
from socket import socket
from typing import Any

import pytest

TWO_NAMESPACES = """
apiVersion: bailiwick.dev/v1alpha1
kind: Tenant
metadata: {name: wide}
spec:
  namespaces: [{name: wide-a}, {name: wide-b}]
  currency: USD
  teams: [{name: search}]
  modelAccess: [{tier: shared}]
"""


@pytest.fixture
def refused(up: Any, left: Any) -> Any:
    """Runs it to its end: what it printed; exit code 1 and no process left are checked."""

    def run(*more: str) -> str:
        done = subprocess.run(
            up.command("--echo", *more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 1, done.stderr
        assert "Traceback" not in done.stderr
        assert left() == {}
        return done.stderr

    return run


@pytest.mark.parametrize(
    ("port", "option"),
    [("port", "--port"), ("metrics_port", "--metrics-port"), ("echo_port", "--echo-port")],
)
def test_a_busy_port_is_named(up: Any, refused: Any, port: str, option: str) -> None:
    """The port, what it is for, and the option that moves it."""
    with socket() as taken:
        taken.bind(("127.0.0.1", getattr(up, port)))
        taken.listen()
        said = refused()
    assert f"port {getattr(up, port)} for the" in said
    assert "is in use" in said
    assert option in said


def test_a_second_up_on_the_same_data_directory_is_refused(up: Any) -> None:
    """It names the first one; the first one goes on."""
    up.start()
    second = subprocess.run(
        up.command("--port", str(up.port + 1)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 1
    assert f"(pid {up.process.pid})" in second.stderr
    assert "--data-dir" in second.stderr
    assert up.ready()


def test_a_missing_path_is_named(up: Any, refused: Any) -> None:
    """A path that is not there is an error even where another path has everything."""
    said = refused("-f", str(up.folder / "nowhere"))
    assert f"{up.folder / 'nowhere'}" in said
    assert "no such file" in said


def test_an_empty_folder_is_nothing_to_serve(up: Any, refused: Any) -> None:
    """Without a Tenant there is no gateway, and it says so."""
    for file in up.files.iterdir():
        file.unlink()
    assert "nothing to serve" in refused()


def test_a_wrong_file_is_reported_whole(up: Any, refused: Any) -> None:
    """Every mistake is named with file, resource, field and cure; nothing is served."""
    text = (up.files / "demo.yaml").read_text()
    up.write(
        "demo.yaml",
        text.replace("aliases: [echo, default]", "aliasses: [echo]").replace(
            "teams: [search]", "teams: [sales]"
        ),
    )
    said = refused()
    assert "ModelRoute demo/echo · spec.aliasses" in said
    assert "ModelRoute demo/slow · spec.teams[0]" in said
    assert said.count("fix: ") >= 2
    assert "3 errors" in said


def test_an_unknown_namespace_is_named(refused: Any) -> None:
    """--namespace that no Tenant lists: the ones that exist are named."""
    said = refused("--namespace", "nope")
    assert "no Tenant lists namespace nope (found: demo)" in said


def test_a_missing_secrets_file_is_named(up: Any, refused: Any) -> None:
    """--secrets of a file that is not there is not taken for `no secrets`."""
    assert "there is no secrets file" in refused("--secrets", str(up.folder / "nope.yaml"))


def test_ports_that_overlap_are_named(up: Any, refused: Any) -> None:
    """Two purposes on one port are refused before anything starts."""
    said = refused("--metrics-port", str(up.port))
    assert f"port {up.port} is wanted for" in said


def test_a_tenant_with_two_namespaces_needs_a_shared_store(up: Any, refused: Any) -> None:
    """Two gateways could not share its counters here; one alone can be served."""
    up.write("wide.yaml", TWO_NAMESPACES)
    said = refused()
    assert "Tenant wide" in said
    assert "store" in said
    up.start("--namespace", "wide-b")
    assert set(up.served()) == {"wide-b"}
    assert up.served()["wide-b"]["url"] == up.url(0)


def test_a_data_directory_that_can_not_be_made_is_named(up: Any, tmp_path: Path) -> None:
    """A file in its place: the message says to choose another."""
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        [*up.command(), "--data-dir", tmp_path / "file"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "--data-dir" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--collector", "c:1"], "belong together: give all three"),
        (["--collector-tokens", "."], "belong together: give all three"),
        (["--collector", "c", "--collector-ca", __file__, "--collector-tokens", "."], "HOST:PORT"),
        (
            ["--collector", "c:1", "--collector-ca", "no", "--collector-tokens", "."],
            "no is no file",
        ),
        (
            ["--collector", "c:1", "--collector-ca", __file__, "--collector-tokens", "no"],
            "no is no folder",
        ),
    ],
)
def test_half_a_collector_is_refused(refused: Any, options: list[str], said: str) -> None:
    """Rows that would go nowhere are no reason to begin; the option is named, and what it takes."""
    assert said in " ".join(refused(*options).split())
