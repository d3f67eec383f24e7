"""The small HTTP server, over real sockets."""

import asyncio
import json
import os
import socket
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from bailiwick_sidecar.admission.answer import Answer, Request
from bailiwick_sidecar.admission.errors import refused
from bailiwick_sidecar.admission.server import Bounds, HttpServer, SocketInUseError

BOUNDS = Bounds(head_bytes=2000, body_bytes=1000, pipelined=4)


async def echo(request: Request) -> Answer:
    """Answers with what it got; `/slow` later, `/refuse` and `/fail` as they say."""
    if request.path == "/slow":
        await asyncio.sleep(0.01)
    if request.path == "/refuse":
        raise refused("model_not_found", model='"x"')
    if request.path == "/fail":
        raise RuntimeError("a fault of the handler with a secret sk-CANARY")
    said = f"{request.method} {request.path} {request.headers.get('x-a')} {len(request.body)}"
    return Answer(200, (("x-b", "1"),), said.encode())


def serve(
    path: Path, client: Callable[[HttpServer], Awaitable[bytes]], *, loop: str = "uvloop"
) -> bytes:
    async def scenario() -> bytes:
        server = HttpServer(echo, bounds=BOUNDS, headers=b"x-agent: 1\r\n")
        await server.listen_unix(path)
        try:
            return await client(server)
        finally:
            await server.close()

    factory = uvloop.new_event_loop if loop == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(scenario())


def sending(
    path: Path, *parts: bytes, end: bool = True
) -> Callable[[HttpServer], Awaitable[bytes]]:
    async def client(_: HttpServer) -> bytes:
        reader, writer = await asyncio.open_unix_connection(str(path))
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
        if end:
            writer.write(b"GET /end HTTP/1.1\r\nconnection: close\r\n\r\n")
        answered = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        return answered

    return client


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_requests_on_one_connection_are_answered_in_their_order(tmp_path: Path, loop: str) -> None:
    """Pipelined or torn anywhere, each request gets its own answer, in turn."""
    path = tmp_path / "s"
    post = b"POST /slow?q=1 HTTP/1.1\r\nX-A: 7\r\ncontent-length: 3\r\n\r\nabc"
    several = post + b"GET /b HTTP/1.1\r\n\r\n" * 7
    whole = serve(path, sending(path, several), loop=loop)
    torn = serve(path, sending(path, *(several[i : i + 1] for i in range(len(several)))), loop=loop)

    bodies = [part.rpartition(b"\r\n\r\n")[2] for part in whole.split(b"HTTP/1.1 200 OK")[1:]]
    assert bodies == [b"POST /slow 7 3", *[b"GET /b None 0"] * 7, b"GET /end None 0"]
    assert torn == whole
    assert whole.count(b"x-agent: 1\r\n") == 9
    assert whole.count(b"connection: close") == 1


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (
            b"POST / HTTP/1.1\r\ncontent-length: 1001\r\n\r\n" + b"x" * 1001,
            413,
            "request_too_large",
        ),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * 3000 + b"\r\n\r\n", 413, "request_too_large"),
        (b"GET /" + b"y" * 3000 + b" HTTP/1.1\r\n\r\n", 413, "request_too_large"),
        (b"nonsense\r\n\r\n", 400, "invalid_json"),
    ],
)
def test_what_is_too_large_or_no_http_ends_the_connection(
    tmp_path: Path, sent: bytes, status: int, code: str
) -> None:
    """An answer says why, and nothing more is read."""
    path = tmp_path / "s"
    answered = serve(path, sending(path, sent, end=False))
    head, _, body = answered.partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close" in head
    assert json.loads(body)["error"]["code"] == code


def test_refusals_and_faults_become_answers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A refusal as it is; a fault as 500 without its words; the connection goes on."""
    path = tmp_path / "s"
    answered = serve(path, sending(path, b"GET /refuse HTTP/1.1\r\n\r\nGET /fail HTTP/1.1\r\n\r\n"))

    assert [line for line in answered.split(b"\r\n") if line.startswith(b"HTTP/")] != []
    assert answered.count(b'"code":"model_not_found"') == 1
    assert answered.count(b'"code":"gateway_error"') == 1
    assert answered.endswith(b"GET /end None 0")
    assert b"CANARY" not in answered
    assert any("handler_failed" in record.message for record in caplog.records)


def test_the_socket_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Mode 0600 from the first moment; the process's umask is as before."""
    path = tmp_path / "s"
    before = os.umask(0o022)
    os.umask(before)

    async def look(_: HttpServer) -> bytes:
        return oct(stat.S_IMODE(path.stat().st_mode)).encode()

    assert serve(path, look) == b"0o600"
    after = os.umask(before)
    assert after == before


def test_a_dead_sockets_file_is_replaced_and_a_living_one_is_not(tmp_path: Path) -> None:
    """A killed agent leaves its socket; two agents at once would share admissions."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert b"200 OK" in serve(path, sending(path))

    with socket.socket(socket.AF_UNIX) as living:
        path.unlink(missing_ok=True)
        living.bind(str(path))
        living.listen()
        with pytest.raises(SocketInUseError):
            serve(path, sending(path))
    path.unlink()
    path.write_text("not a socket")
    with pytest.raises(SocketInUseError):
        serve(path, sending(path))
    assert path.read_text() == "not a socket"


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_handler_learns_that_who_asked_is_gone(tmp_path: Path, loop: str) -> None:
    """At once: the loop may be busy, and a proxy that died has asked while it was."""
    path = tmp_path / "s"
    found: list[bool] = []

    async def scenario() -> None:
        asked = asyncio.Event()

        async def handler(request: Request) -> Answer:
            found.append(request.gone())
            caller.close()
            # No suspension in between: nothing has been read from the socket since.
            found.append(request.gone())
            asked.set()
            return Answer(200)

        server = HttpServer(handler)
        await server.listen_unix(path)
        caller = socket.socket(socket.AF_UNIX)
        caller.settimeout(0)
        await asyncio.get_running_loop().sock_connect(caller, str(path))
        await asyncio.get_running_loop().sock_sendall(caller, b"GET / HTTP/1.1\r\n\r\n")
        await asyncio.wait_for(asked.wait(), 5)
        await server.close()

    factory = uvloop.new_event_loop if loop == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(scenario())
    assert found == [False, True]


def test_closing_lets_an_answer_under_way_be_finished(tmp_path: Path) -> None:
    """What was asked before the end is answered; what comes after is not read."""
    path = tmp_path / "s"

    async def client(server: HttpServer) -> bytes:
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b"GET /slow HTTP/1.1\r\n\r\n")
        while not any(connection._task for connection in server.connections):  # noqa: ASYNC110 -- the server's own state, which nobody announces
            await asyncio.sleep(0)
        await server.close()
        answered = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        return answered

    answered = serve(path, client)
    assert answered.startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" in answered


def test_idle_connections_are_closed_where_a_bound_is_set() -> None:
    """A client that says nothing does not hold a place for ever, nor take one too many."""

    async def scenario() -> tuple[bytes, bytes]:
        bounds = Bounds(idle_seconds=0.01, connections=1)
        server = HttpServer(echo, bounds=bounds)
        await server.listen_tcp("127.0.0.1", 0)
        first, one = await asyncio.open_connection("127.0.0.1", server.port)
        while not server.connections:  # noqa: ASYNC110 -- the server's own state, which nobody announces
            await asyncio.sleep(0)
        second, two = await asyncio.open_connection("127.0.0.1", server.port)

        async def rest(reader: asyncio.StreamReader) -> bytes:
            try:
                return await asyncio.wait_for(reader.read(), 5)
            except ConnectionResetError:
                return b""

        found = await rest(second), await rest(first)
        one.close()
        two.close()
        await server.close()
        return found

    assert asyncio.run(scenario()) == (b"", b"")
