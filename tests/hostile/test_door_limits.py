"""What a caller may send before anybody is asked: sizes, counts, times, and HTTP/2's own floods."""

import json
import stat
import time
from pathlib import Path

import h2.events
import pytest
from dataplane_kit.gateway import Gateway, wait_for
from hostile.wire import BODY, HEAD, SERVED, Http2, Wire, answers, request


def one(gateway: Gateway, data: bytes) -> tuple[int, dict[str, object]]:
    """Status and error of the door's answer to these bytes."""
    with Wire(gateway.port) as wire:
        wire.send(data)
        got = wire.until(lambda text: b"\r\n\r\n" in text and text.rstrip().endswith(b"}"))
    (status,) = answers(got)
    return status, json.loads(got.split(b"\r\n\r\n", 1)[1])["error"]


@pytest.mark.parametrize(
    "headers",
    [
        {f"x-{i}": "y" for i in range(100)},
        {"x-large": "y" * 61 * 1024},
        {f"x-{i}": "y" * 8000 for i in range(8)},
        {"y" * 61 * 1024: "x"},
    ],
    ids=["101 of them", "one of 61 kB", "61 kB together", "a name of 61 kB"],
)
def test_too_many_or_too_large_headers_are_refused(
    gateway: Gateway, headers: dict[str, str]
) -> None:
    """More than 100, or more than 60 KiB: 431, in OpenAI's shape, before the token is looked at."""
    status, error = one(gateway, request(headers))

    assert (status, error["code"]) == (431, "invalid_request")
    assert gateway.agent.asked == []


def test_a_path_of_61_kb_is_refused(gateway: Gateway) -> None:
    """It counts as a header."""
    status, _ = one(gateway, b"GET /" + b"a" * 61 * 1024 + b" HTTP/1.1\r\nhost: x\r\n\r\n")

    assert status == 431


PATHS = {
    "escaped slash": ("/v1%2fmodels", 400),
    "escaped backslash": ("/healthz%5c..%5cadmit", 400),
    "escaped dots": ("/healthz/%2e%2e/v1/models", 401),
    "dots": ("/healthz/../v1/models", 401),
    "dots beyond the root": ("/../../v1/models", 401),
    "doubled slash": ("//v1//models", 401),
    "escaped nul": ("/healthz%00", 400),
    "semicolon": ("/healthz;/../v1/models", 401),
    "matrix parameter": ("/healthz;x", 401),
    "doubly escaped slash": ("/healthz%252f..%252fv1", 401),
    "question mark escaped": ("/healthz%3fx", 401),
    "other case": ("/HEALTHZ", 401),
    "absolute form": ("http://evil.example/v1/models", 401),
    "backslash": ("/healthz\\..\\v1\\models", 401),
    "trailing slash": ("/healthz/", 401),
    "admission": ("/admit", 401),
}


@pytest.mark.parametrize(("path", "status"), PATHS.values(), ids=PATHS.keys())
def test_no_spelling_of_a_path_gets_round_the_token(
    gateway: Gateway, path: str, status: int
) -> None:
    """A detour from an open path ends at a closed door, or is no path."""
    got, _ = one(gateway, f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())

    assert got == status
    assert gateway.agent.asked == []


def test_headers_that_never_end_are_cut_off(gateway: Gateway) -> None:
    """A slow loris gets 408 after the ten seconds for headers, while others are served."""
    with Wire(gateway.port) as wire:
        wire.socket.settimeout(30)
        wire.send(HEAD)
        begun = time.monotonic()
        assert gateway.chat(BODY).status_code == 200
        got = wire.rest()

    assert answers(got) in ([408], [])
    assert 8 < time.monotonic() - begun < 25


def test_http2_streams_are_limited(gateway: Gateway) -> None:
    """A hundred at once; the door says so, and refuses the next."""
    with Wire(gateway.port) as wire:
        client = Http2(wire)
        wait_for(
            lambda: any(isinstance(e, h2.events.RemoteSettingsChanged) for e in client.events())
        )
        assert client.connection.remote_settings.max_concurrent_streams == 100
        client.connection.remote_settings[3] = 1000
        client.connection.remote_settings.acknowledge()
        headers = [*SERVED, ("authorization", gateway.headers()["authorization"])]
        for _ in range(100):
            client.open(headers, end=False)
        over = client.open(headers, end=False)

        assert client.status(over) in {"reset", "closed"}


def test_a_rapid_reset_closes_the_connection(gateway: Gateway) -> None:
    """Streams that are opened and reset at once (CVE-2023-44487) end it after a few hundred."""
    with Wire(gateway.port) as wire:
        client = Http2(wire)
        for _ in range(1200):
            stream = client.open(SERVED, end=False)
            client.connection.reset_stream(stream)
            client.flush()
        ended = wait_for(lambda: closed(client))

    assert ended
    assert gateway.chat(BODY).status_code == 200


def closed(client: Http2) -> bool:
    """True once the door has ended the connection."""
    found = client.events(seconds=2)
    return not found or any(isinstance(e, h2.events.ConnectionTerminated) for e in found)


FLOODS = {
    "pings": bytes.fromhex("000008060000000000") + b"\0" * 8,
    "settings": bytes.fromhex("000000040000000000"),
    "priorities": bytes.fromhex("000005020000000001") + bytes.fromhex("0000000310"),
    "window updates": bytes.fromhex("000004080000000000") + bytes.fromhex("00000001"),
}


@pytest.mark.parametrize("frame", FLOODS.values(), ids=FLOODS.keys())
def test_a_flood_of_frames_closes_the_connection(gateway: Gateway, frame: bytes) -> None:
    """Frames that cost the door something and the caller nothing (CVE-2019-9511 and following)."""
    with Wire(gateway.port) as wire:
        Http2(wire)
        for _ in range(200):
            wire.send(frame * 500)
        wire.rest()

    assert gateway.chat(BODY).status_code == 200


def test_a_continuation_flood_closes_the_connection(gateway: Gateway) -> None:
    """Headers without end (CVE-2024-27919): cut off, and not held in memory."""
    before = resident(gateway)
    with Wire(gateway.port) as wire:
        Http2(wire)
        # One byte of headers that do not end, then continuations that do not end either.
        wire.send(bytes.fromhex("000001010000000001") + b"\x82")
        literal = b"\x00\x01x\x7f\x81\x7f" + b"y" * 256
        frame = len(literal).to_bytes(3, "big") + bytes.fromhex("090000000001") + literal
        for _ in range(200):
            wire.send(frame * 500)
        wire.rest()

    assert resident(gateway) - before < 20
    assert gateway.chat(BODY).status_code == 200


def resident(gateway: Gateway) -> int:
    """Envoy's memory in MiB."""
    assert gateway.envoy is not None
    lines = Path(f"/proc/{gateway.envoy.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) // 1024


H2_HEADERS = {
    "capitals": [("X-Bw-Jwt", "CANARY")],
    "connection": [("connection", "keep-alive")],
    "transfer-encoding": [("transfer-encoding", "chunked")],
    "line end in a value": [("x", "a\r\nx-bw-jwt: CANARY")],
    "line end in a name": [("x\r\nx-bw-jwt", "CANARY")],
    "colon in a name": [("x:y", "CANARY")],
    "nul": [("x", "a\0b")],
    "second path": [(":path", "/v1/models")],
    "unknown pseudo-header": [(":bw", "CANARY")],
    "underscore": [("x_bw_jwt", "CANARY")],
    "length that is not the body's": [("content-length", "99")],
    "two lengths": [("content-length", "13"), ("content-length", "14")],
}


@pytest.mark.parametrize("extra", H2_HEADERS.values(), ids=H2_HEADERS.keys())
def test_what_http2_forbids_is_refused(gateway: Gateway, extra: list[tuple[str, str]]) -> None:
    """None of it becomes a header of an HTTP/1.1 request (H2.CL, H2.TE and their like)."""
    headers = [*SERVED, ("authorization", gateway.headers()["authorization"]), *extra]
    with Wire(gateway.port) as wire:
        client = Http2(wire)
        stream = client.open(headers, end=False)
        client.connection.send_data(stream, BODY, end_stream=True)
        client.flush()
        status = client.status(stream)

    assert status in {"400", "reset", "closed"}
    assert gateway.agent.asked == []
    assert gateway.providers[0].received == []


def test_large_bodies_pass_by_http2(gateway: Gateway) -> None:
    """Ten megabytes through windows of a quarter of one."""
    body = b'{"model":"a","x":"' + b"y" * 10_000_000 + b'"}'
    with Wire(gateway.port) as wire:
        client = Http2(wire)
        headers = [*SERVED, ("authorization", gateway.headers()["authorization"])]
        stream, at = client.open(headers, end=False), 0
        while at < len(body):
            room = min(
                client.connection.local_flow_control_window(stream),
                client.connection.max_outbound_frame_size,
                len(body) - at,
            )
            if room:
                piece = body[at : at + room]
                client.connection.send_data(stream, piece, end_stream=at + room == len(body))
                client.flush()
                at += room
            else:
                assert client.events(), "the door closed"
        status = client.status(stream)

    assert status == "200"
    assert len(gateway.providers[0].received[0].body) > 10_000_000


def test_no_answer_has_a_banner(gateway: Gateway) -> None:
    """Neither the door's own answers, nor the agent's, nor a provider's say what serves here."""
    own = [
        gateway.http.get("/healthz"),
        gateway.http.get("/nope"),
        gateway.http.get("/nope", headers=gateway.headers()),
        gateway.http.get("/v1/models", headers=gateway.headers()),
        gateway.chat(BODY),
        gateway.chat(b"{"),
    ]

    for answer in own:
        for name in ("server", "via", "x-powered-by", "x-envoy-upstream-service-time"):
            assert name not in answer.headers, (answer.status_code, name)
        assert "envoy" not in str(answer.headers).lower()


def listening(pid: int) -> list[str]:
    """Local addresses of TCP sockets on which this process listens (proc(5))."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(link.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                found.append(fields[1])
    return found


def test_envoy_listens_on_one_port_and_on_sockets_that_are_its_users_alone(
    gateway: Gateway,
) -> None:
    """Admin and the agent's own door are Unix sockets that no other user may open."""
    assert gateway.envoy is not None
    ports = {int(address.split(":")[1], 16) for address in listening(gateway.envoy.pid)}

    assert ports == {gateway.port}
    for name in ("admin.sock", "api.sock"):
        assert stat.S_IMODE((gateway.directory / name).stat().st_mode) == 0o600, name


def test_no_socket_is_open_to_other_users(gateway: Gateway) -> None:
    """Writing to a socket is connecting to it (unix(7)): none can be written by group or others."""
    sockets = {one.name: one.stat().st_mode for one in gateway.directory.glob("*.sock")}

    assert {"admin.sock", "api.sock", "xds.sock"} <= set(sockets)
    for name, mode in sockets.items():
        assert not mode & 0o022, name


@pytest.mark.parametrize(
    "path",
    ["/quitquitquit", "/runtime_modify?x=1", "/cpuprofiler?enable=y", "/logging?level=trace"],
)
def test_admin_paths_that_change_envoy_are_closed(gateway: Gateway, path: str) -> None:
    """Whoever reaches the socket can't stop, profile or alter the process."""
    assert "not allowed" in gateway.admin(path, "POST").lower()

    assert gateway.chat(BODY).status_code == 200
