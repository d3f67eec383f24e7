"""Settings of the door and of the way to providers that only their configuration can show."""

import json
from typing import Any

import pytest
from dataplane_kit import configs
from dataplane_kit.rendering import resources

from bailiwick_contract.v1.tenant_config_pb2 import Provider, TenantConfig
from bailiwick_sidecar.xds.bootstrap import BootstrapSettings, bootstrap, envoy_command
from bailiwick_sidecar.xds.runtime import Runtime
from bailiwick_sidecar.xds.snapshot import Kind, Snapshot
from bailiwick_sidecar.xds.translate import translate


def config() -> TenantConfig:
    """One route to a provider by TLS."""
    built = configs.config({"a": 443}, configs.route(backends=("a",)))
    built.providers[0].MergeFrom(Provider(tls=True))
    built.providers[0].host = "api.example.com"
    return built


SNAPSHOT: Snapshot = translate(config(), Runtime(port=8080))
BOOTSTRAP: dict[str, Any] = json.loads(bootstrap(BootstrapSettings(node_id="n", cluster="c")))


def door() -> dict[str, Any]:
    """The callers' connection manager."""
    (listener,) = [one for one in resources(SNAPSHOT, Kind.LISTENER) if one["name"] == "calls"]
    manager: dict[str, Any] = listener["filterChains"][0]["filters"][0]["typedConfig"]
    return manager


def backend() -> dict[str, Any]:
    """The provider's cluster."""
    (cluster,) = [one for one in resources(SNAPSHOT, Kind.CLUSTER) if one["name"].startswith("b-")]
    return cluster


def test_every_clock_of_the_door_runs() -> None:
    """Headers, whole requests, silent streams and idle connections: none waits for ever."""
    manager = door()

    assert manager["requestHeadersTimeout"] == "10s"
    assert manager["requestTimeout"] == "60s"
    assert manager["streamIdleTimeout"] == "300s"
    assert manager["commonHttpProtocolOptions"]["idleTimeout"] == "3600s"


def test_no_peer_is_trusted() -> None:
    """No forwarded header is believed, no address counts as internal, no id of a caller is kept."""
    manager = door()

    assert manager["useRemoteAddress"] is True
    assert manager["internalAddressConfig"] == {}
    assert "xffNumTrustedHops" not in manager
    assert not manager.get("preserveExternalRequestId")


def test_paths_and_header_names_have_one_spelling() -> None:
    """Normalised, and refused where that could be read in two ways."""
    manager = door()

    assert (manager["normalizePath"], manager["mergeSlashes"]) == (True, True)
    assert manager["pathWithEscapedSlashesAction"] == "REJECT_REQUEST"
    common = manager["commonHttpProtocolOptions"]
    assert common["headersWithUnderscoresAction"] == "REJECT_REQUEST"
    assert common["maxHeadersCount"] == 100
    assert manager["maxRequestHeadersKb"] == 60


def test_http2_windows_are_small() -> None:
    """A connection can't make the door hold more than a mebibyte of requests' bodies unread."""
    options = door()["http2ProtocolOptions"]

    assert options["initialStreamWindowSize"] == 256 * 1024
    assert options["initialConnectionWindowSize"] == 1024 * 1024


def test_every_way_out_has_its_limits() -> None:
    """A connection in five seconds, breakers on all four counts, TLS of 1.2 at least, a name."""
    cluster = backend()
    (thresholds,) = cluster["circuitBreakers"]["thresholds"]
    tls = cluster["transportSocket"]["typedConfig"]

    assert cluster["connectTimeout"] == "5s"
    assert set(thresholds) == {"maxConnections", "maxPendingRequests", "maxRequests", "maxRetries"}
    assert tls["commonTlsContext"]["tlsParams"]["tlsMinimumProtocolVersion"] == "TLSv1_2"
    assert tls["sni"] == "api.example.com"
    (name,) = tls["commonTlsContext"]["validationContext"]["matchTypedSubjectAltNames"]
    assert name["matcher"] == {"exact": "api.example.com"}
    assert cluster["perConnectionBufferLimitBytes"] == 256 * 1024


def test_routes_end_and_follow_no_redirect() -> None:
    """Each route to a provider has a whole time limit, and none follows what a provider says."""
    (routes,) = resources(SNAPSHOT, Kind.ROUTES)
    planned = [
        one for one in routes["virtualHosts"][0]["routes"] if one["name"][-2:] in {"-s", "-u"}
    ]

    assert len(planned) == 2
    for one in planned:
        assert float(one["route"]["timeout"].removesuffix("s")) > 0
        assert "internalRedirectPolicy" not in one["route"]
        assert "hedgePolicy" not in one["route"]


@pytest.mark.parametrize(
    "action",
    [
        "shrink_heap",
        "disable_http_keepalive",
        "stop_accepting_requests",
        "stop_accepting_connections",
        "reset_high_memory_stream",
        "reduce_timeouts",
    ],
)
def test_overload_sheds(action: str) -> None:
    """Each of the actions has a trigger on the memory that is watched."""
    manager = BOOTSTRAP["overloadManager"]
    watched = {monitor["name"] for monitor in manager["resourceMonitors"]}
    found = {one["name"].rpartition(".")[2]: one for one in manager["actions"]}

    assert {trigger["name"] for trigger in found[action]["triggers"]} <= watched
    assert "envoy.resource_monitors.global_downstream_max_connections" in watched
    assert manager["refreshInterval"] == "0.250s"


def test_new_work_is_shed_before_it_costs() -> None:
    """Connections, codecs and headers are refused near the end of the memory."""
    points = {
        one["name"].rpartition(".")[2] for one in BOOTSTRAP["overloadManager"]["loadshedPoints"]
    }

    assert points == {
        "tcp_listener_accept",
        "hcm_ondata_creating_codec",
        "http_connection_manager_decode_headers",
    }


def test_rapid_resets_are_counted() -> None:
    """The runtime has both figures (CVE-2023-44487)."""
    (layer,) = BOOTSTRAP["layeredRuntime"]["layers"]

    assert layer["staticLayer"]["overload.premature_reset_total_stream_count"] == 500
    assert layer["staticLayer"]["overload.premature_reset_min_stream_lifetime_seconds"] == 1


def test_configuration_is_kept_out_of_reach() -> None:
    """No admin and no source of configuration by TCP; nothing is left to hot restarts."""
    command = envoy_command("envoy", config="c", concurrency=1, node_id="n", cluster="c")

    assert "socketAddress" not in json.dumps(BOOTSTRAP)
    assert BOOTSTRAP["admin"]["address"]["pipe"]["mode"] == 0o600
    assert "--disable-hot-restart" in command
