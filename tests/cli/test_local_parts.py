"""The parts of local mode by themselves: ports, kept processes, logs, stand-in, watch, lock."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from socket import SO_REUSEPORT, SOL_SOCKET, socket
from typing import Any

import pytest

from bailiwick_cli.datadir import locked, prepare, write_atomically
from bailiwick_cli.errors import DataDirError, PortError
from bailiwick_cli.up.child import Child, Command, leashed, pause_s
from bailiwick_cli.up.output import TAIL_LINES, OutputLog
from bailiwick_cli.up.ports import assign, ensure_free, overlap
from bailiwick_cli.up.standin import StandIn
from bailiwick_cli.up.watching import edits
from bailiwick_cli.up.welcome import calls_port
from bailiwick_contract.v1.tenant_config_pb2 import Provider, TenantConfig


def test_ports_follow_the_alphabet() -> None:
    """Consecutive, in alphabetical order of namespace."""
    assert assign({"b", "a", "c"}, first=8080) == {"a": 8080, "b": 8081, "c": 8082}


def test_a_port_stays_its_namespace_s() -> None:
    """One that appears later gets the next port; one that comes back gets its own."""
    before = assign({"b", "d"}, first=8080)
    after = assign({"a", "b"}, first=8080, taken=before)
    assert after == {"b": 8080, "d": 8081, "a": 8082}
    assert assign({"d"}, first=8080, taken=after)["d"] == 8081


@pytest.mark.parametrize(("count", "first"), [(2, 65535), (1, 0)])
def test_ports_out_of_range_are_refused(count: int, first: int) -> None:
    """There are 65535."""
    with pytest.raises(PortError, match="choose a first port"):
        assign((f"n{n}" for n in range(count)), first=first)


def test_a_port_in_use_is_not_free() -> None:
    """Also where whoever has it would share it."""
    with socket() as taken:
        taken.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortError, match=f"port {port} for it is in use.*--port"):
            ensure_free(port, what="it", option="--port")
    ensure_free(port, what="it", option="--port")


def test_overlapping_purposes_are_named() -> None:
    """Both of them."""
    with pytest.raises(PortError, match="8080 is wanted for one and for two"):
        overlap([("one", 8080), ("other", 8081), ("two", 8080)])


def test_restarts_begin_at_once_and_slow_down() -> None:
    """The first pause is none; none is longer than the longest."""
    pauses = [pause_s(deaths) for deaths in range(1, 20)]
    assert pauses[0] == 0
    assert pauses == sorted(pauses)
    assert pauses[-1] == pause_s(1000) <= 10


def test_a_log_is_bounded(tmp_path: Path) -> None:
    """The file is renamed when it is full, so that two are kept; the tail is the newest lines."""
    log = OutputLog(tmp_path / "x.log", largest=1000)
    for number in range(1000):
        log.write(b"line %d\n" % number)
    log.close()
    assert {path.name for path in tmp_path.iterdir()} == {"x.log", "x.log.1"}
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2100
    assert log.tail().splitlines() == [f"line {n}" for n in range(1000 - TAIL_LINES, 1000)]


def run(work: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await work

    asyncio.run(bounded())


async def until(probe: Callable[[], Any]) -> None:
    while not probe():  # noqa: ASYNC110  what is waited for happens in another process
        await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


class Life:
    """What a child's watcher was told."""

    def __init__(self) -> None:
        self.pids: list[int] = []
        self.codes: list[int] = []

    def started(self, pid: int) -> None:
        self.pids.append(pid)

    def died(self, code: int) -> None:
        self.codes.append(code)


def test_a_killed_child_is_started_again_and_a_stopped_one_is_not(tmp_path: Path) -> None:
    """Another process after kill -9; none after stop, which is no death."""

    async def work() -> None:
        life, log = Life(), OutputLog(tmp_path / "log")
        child = Child(Command(argv=("/bin/sleep", "600"), cwd=tmp_path), log=log, watcher=life)
        running = asyncio.create_task(child.run())
        await until(lambda: len(life.pids) == 1)
        os.kill(life.pids[0], signal.SIGKILL)
        await until(lambda: len(life.pids) == 2)
        assert life.codes == [-signal.SIGKILL]
        await child.stop(grace_s=5)
        await running
        assert life.codes == [-signal.SIGKILL]
        assert not alive(life.pids[1])
        log.close()

    run(work())


def test_a_child_that_ignores_sigterm_is_killed_in_the_end(tmp_path: Path) -> None:
    """After the grace it ends by force."""

    async def work() -> None:
        life, log = Life(), OutputLog(tmp_path / "log")
        argv = ("/bin/sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done")
        child = Child(Command(argv=argv, cwd=tmp_path), log=log, watcher=life)
        running = asyncio.create_task(child.run())
        await until(lambda: log.tail() == "deaf")
        await child.stop(grace_s=0.1)
        await running
        assert not alive(life.pids[0])
        log.close()

    run(work())


def test_a_leashed_process_dies_with_its_parent(tmp_path: Path) -> None:
    """Killed with -9, the parent takes it along."""
    line = """
import os, subprocess, sys
from bailiwick_cli.up.child import leashed
child = subprocess.Popen(leashed(("/bin/sleep", "600")))
print(child.pid, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", line], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = Path("/proc") / parent.stdout.readline().strip()
        while (child / "cmdline").read_bytes().split(b"\0")[0] != b"/bin/sleep":
            assert child.exists()
        parent.kill()
        parent.wait()
    for _ in range(10_000):
        if not child.exists() or "\nState:\tZ" in (child / "status").read_text():
            return
    raise AssertionError("it is still alive")


def test_a_leash_without_its_parent_starts_nothing() -> None:
    """Where the parent died before the leash held, the program is not run."""
    interpreter, *options, _, program = leashed(("/bin/true",))
    done = subprocess.run(
        [interpreter, *options, "1", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "parent is gone" in done.stderr


async def first_line(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /v1/x HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello")
    line = await reader.readline()
    rest = await reader.read()
    assert b"retry-after: 1" in rest or b"real" in rest
    writer.close()
    return line.split(b" ")[1]


def test_the_stand_in_answers_only_while_nobody_else_listens(tmp_path: Path) -> None:
    """503 before, nothing of it while another listens, 503 again as soon as that one is gone."""

    async def real(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"hello")
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nreal")
        writer.close()

    async def work() -> None:
        with socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        standin = StandIn(port)
        await standin.start()
        for _ in range(2):
            assert {await first_line(port) for _ in range(20)} == {b"503"}
            server = await asyncio.start_server(real, "127.0.0.1", port, reuse_port=True)
            assert {await first_line(port) for _ in range(50)} == {b"200"}
            server.close()
            await server.wait_closed()
        assert {await first_line(port) for _ in range(20)} == {b"503"}
        standin.close()

    run(work())


def test_edits_of_folders_and_files_are_noticed(tmp_path: Path) -> None:
    """YAML below a folder, a named file that is replaced; not the data directory, not others."""
    folder, single, data = tmp_path / "dir", tmp_path / "one.yaml", tmp_path / "dir" / "data"
    data.mkdir(parents=True)
    single.write_text("a")

    async def work() -> None:
        watch = edits([folder, single], ignore=data)
        await anext(watch)
        for act in (
            lambda: (folder / "a.yaml").write_text("x"),
            lambda: write_atomically(single, b"b"),
            (folder / "a.yaml").unlink,
        ):
            act()
            await anext(watch)
        (folder / "notes.txt").write_text("x")
        (data / "x.yaml").write_text("x")
        (tmp_path / "another.yaml").write_text("x")
        pending = asyncio.ensure_future(anext(watch))
        await asyncio.sleep(0.5)
        assert not pending.done()
        pending.cancel()
        await asyncio.gather(pending, return_exceptions=True)

    run(work())


def test_one_up_at_a_time(tmp_path: Path) -> None:
    """A second lock names the first one's process; a freed one can be taken."""
    data = prepare(tmp_path / "d")
    with locked(data), pytest.raises(DataDirError, match=f"pid {os.getpid()}"), locked(data):
        pass
    with locked(data):
        pass


def test_an_open_data_directory_is_closed(tmp_path: Path) -> None:
    """Whatever its mode was, nobody else can look into it afterwards."""
    (tmp_path / "d").mkdir(mode=0o755)
    prepare(tmp_path / "d")
    assert (tmp_path / "d").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("host", "port", "called"),
    [("127.0.0.1", 8091, True), ("127.0.0.1", 18091, False), ("api.openai.com", 8091, False)],
)
def test_an_echo_provider_that_nobody_calls_is_noticed(
    *, host: str, port: int, called: bool
) -> None:
    """`--echo-port` moves the provider, and the files still name the port from before."""
    config = TenantConfig(providers=[Provider(name="echo", host=host, port=port)])

    assert calls_port([config], 8091) is called
