"""How Envoy starts: a tiny bootstrap that knows the way to the agent and nothing of the tenant."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from envoy_data_plane.envoy.config.bootstrap.v3 import (
    Admin,
    Bootstrap,
    BootstrapDynamicResources,
    BootstrapStaticResources,
    LayeredRuntime,
    RuntimeLayer,
)
from envoy_data_plane.envoy.config.cluster.v3 import Cluster, ClusterDiscoveryType
from envoy_data_plane.envoy.config.core.v3 import (
    ApiConfigSource,
    ApiConfigSourceApiType,
    ApiVersion,
    GrpcService,
    GrpcServiceEnvoyGrpc,
    Http2ProtocolOptions,
    KeepaliveSettings,
    Node,
)
from envoy_data_plane.envoy.config.endpoint.v3 import (
    ClusterLoadAssignment,
    Endpoint,
    LbEndpoint,
    LocalityLbEndpoints,
)
from envoy_data_plane.envoy.config.overload.v3 import (
    BufferFactoryConfig,
    LoadShedPoint,
    OverloadAction,
    OverloadManager,
    ResourceMonitor,
    ScaledTrigger,
    ScaleTimersOverloadActionConfig,
    ScaleTimersOverloadActionConfigScaleTimer,
    ScaleTimersOverloadActionConfigTimerType,
    ThresholdTrigger,
    Trigger,
)
from envoy_data_plane.envoy.extensions.resource_monitors.cgroup_memory.v3 import (
    CgroupMemoryConfig,
)
from envoy_data_plane.envoy.extensions.resource_monitors.downstream_connections.v3 import (
    DownstreamConnectionsConfig,
)
from envoy_data_plane.envoy.extensions.resource_monitors.fixed_heap.v3 import FixedHeapConfig
from envoy_data_plane.envoy.extensions.upstreams.http.v3 import (
    HttpProtocolOptions,
    HttpProtocolOptionsExplicitHttpConfig,
)
from envoy_data_plane.envoy.type.matcher.v3 import StringMatcher

from bailiwick_contract.errors import BailiwickError
from bailiwick_sidecar import launch
from bailiwick_sidecar.xds.messages import ads, millis, packed, pipe, seconds, struct

DRAIN_S = 2
"""How long calls go on after their tenant's config refused all; see listener.py. A pod that goes
away waits for its calls by itself."""
_SUN_PATH = 107
_XDS = "xds"


class SocketPathError(BailiwickError):
    """A Unix socket's path that no kernel takes."""


@dataclass(frozen=True, slots=True)
class BootstrapSettings:
    """What one Envoy process is told at its start. Paths may be relative to its directory."""

    node_id: str
    cluster: str
    xds_socket: str = "xds.sock"
    admin_socket: str = "admin.sock"
    max_heap_bytes: int | None = 1024 * 1024 * 1024
    """Memory at which Envoy sheds load; None: what the cgroup allows."""
    max_connections: int = 20_000
    """Callers' connections over all listeners; must stay below half the descriptor limit."""


def bootstrap(settings: BootstrapSettings) -> str:
    """The bootstrap as JSON.

    Raises:
        SocketPathError: a socket's path is longer than 107 bytes (sockaddr_un.sun_path).
    """
    for path in (settings.xds_socket, settings.admin_socket):
        if len(path.encode()) > _SUN_PATH:
            raise SocketPathError(
                f"socket path {path!r} is longer than {_SUN_PATH} bytes: "
                "use a shorter data directory or a path relative to it"
            )
    message = Bootstrap(
        node=Node(id=settings.node_id, cluster=settings.cluster),
        admin=Admin(
            address=pipe(settings.admin_socket, mode=0o600),
            allow_paths=[StringMatcher(prefix=path) for path in _ADMIN_PATHS],
        ),
        static_resources=BootstrapStaticResources(clusters=[_xds_cluster(settings.xds_socket)]),
        dynamic_resources=BootstrapDynamicResources(
            ads_config=_ads_source(), cds_config=ads(), lds_config=ads()
        ),
        layered_runtime=LayeredRuntime(
            layers=[RuntimeLayer(name="static", static_layer=struct(_RUNTIME))]
        ),
        overload_manager=_overload(settings),
    )
    return json.dumps(message.to_dict(), indent=1, sort_keys=True)


# What reads, and what the agent does with it. Not: stop, change the runtime, profile, tap.
_ADMIN_PATHS = (
    "/ready", "/server_info", "/stats", "/listeners", "/clusters", "/config_dump", "/init_dump",
    "/drain_listeners", "/healthcheck/fail", "/reopen_logs",
)  # fmt: skip

_RUNTIME: dict[str, object] = {
    # A client that opens and resets streams at once is cut off (CVE-2023-44487).
    "overload.premature_reset_total_stream_count": 500,
    "overload.premature_reset_min_stream_lifetime_seconds": 1,
}


def _ads_source() -> ApiConfigSource:
    return ApiConfigSource(
        api_type=ApiConfigSourceApiType.GRPC,
        transport_api_version=ApiVersion.V3,
        set_node_on_first_message_only=True,
        grpc_services=[GrpcService(envoy_grpc=GrpcServiceEnvoyGrpc(cluster_name=_XDS))],
    )


def _xds_cluster(path: str) -> Cluster:
    endpoint = LbEndpoint(endpoint=Endpoint(address=pipe(path)))
    keepalive = KeepaliveSettings(interval=seconds(10), timeout=seconds(5))
    options = HttpProtocolOptions(
        explicit_http_config=HttpProtocolOptionsExplicitHttpConfig(
            http2_protocol_options=Http2ProtocolOptions(connection_keepalive=keepalive)
        )
    )
    return Cluster(
        name=_XDS,
        type=ClusterDiscoveryType.STATIC,
        connect_timeout=seconds(1),
        load_assignment=ClusterLoadAssignment(
            cluster_name=_XDS, endpoints=[LocalityLbEndpoints(lb_endpoints=[endpoint])]
        ),
        typed_extension_protocol_options={
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": packed(options)
        },
    )


def _overload(settings: BootstrapSettings) -> OverloadManager:
    if settings.max_heap_bytes is None:
        memory = ResourceMonitor(
            name="envoy.resource_monitors.cgroup_memory", typed_config=packed(CgroupMemoryConfig())
        )
    else:
        heap = FixedHeapConfig(max_heap_size_bytes=settings.max_heap_bytes)
        memory = ResourceMonitor(
            name="envoy.resource_monitors.fixed_heap", typed_config=packed(heap)
        )
    connections = ResourceMonitor(
        name="envoy.resource_monitors.global_downstream_max_connections",
        typed_config=packed(
            DownstreamConnectionsConfig(max_active_downstream_connections=settings.max_connections)
        ),
    )
    return OverloadManager(
        refresh_interval=millis(250),
        resource_monitors=[memory, connections],
        actions=[
            _above(memory.name, "envoy.overload_actions.shrink_heap", 0.90),
            _above(memory.name, "envoy.overload_actions.disable_http_keepalive", 0.92),
            _above(memory.name, "envoy.overload_actions.stop_accepting_requests", 0.95),
            _above(memory.name, "envoy.overload_actions.stop_accepting_connections", 0.98),
            # The largest streams go first; those below a mebibyte are not looked at.
            _between(memory.name, "envoy.overload_actions.reset_high_memory_stream", 0.92, 0.98),
            _idle_connections_sooner(memory.name),
        ],
        loadshed_points=[
            _shed(memory.name, "envoy.load_shed_points.tcp_listener_accept", 0.95),
            _shed(memory.name, "envoy.load_shed_points.hcm_ondata_creating_codec", 0.95),
            _shed(
                memory.name, "envoy.load_shed_points.http_connection_manager_decode_headers", 0.97
            ),
        ],
        buffer_factory_config=BufferFactoryConfig(minimum_account_to_track_power_of_two=20),
    )


def _above(monitor: str, action: str, share: float) -> OverloadAction:
    trigger = Trigger(name=monitor, threshold=ThresholdTrigger(value=share))
    return OverloadAction(name=action, triggers=[trigger])


def _between(monitor: str, action: str, low: float, high: float) -> OverloadAction:
    return OverloadAction(name=action, triggers=[_scaled(monitor, low, high)])


def _shed(monitor: str, point: str, low: float) -> LoadShedPoint:
    return LoadShedPoint(name=point, triggers=[_scaled(monitor, low, 1.0)])


def _scaled(monitor: str, low: float, high: float) -> Trigger:
    return Trigger(
        name=monitor, scaled=ScaledTrigger(scaling_threshold=low, saturation_threshold=high)
    )


def _idle_connections_sooner(monitor: str) -> OverloadAction:
    # Streams keep their clocks: a model that thinks for a minute is no idle stream.
    timer = ScaleTimersOverloadActionConfigScaleTimer(
        timer=ScaleTimersOverloadActionConfigTimerType.HTTP_DOWNSTREAM_CONNECTION_IDLE,
        min_timeout=seconds(2),
    )
    return OverloadAction(
        name="envoy.overload_actions.reduce_timeouts",
        triggers=[_scaled(monitor, 0.85, 0.95)],
        typed_config=packed(ScaleTimersOverloadActionConfig(timer_scale_factors=[timer])),
    )


def envoy_command(
    envoy: Path | str,
    *,
    config: Path | str,
    concurrency: int,
    node_id: str,
    cluster: str,
    log_level: str = "warning",
) -> list[str]:
    """Arguments that start Envoy on a bootstrap file, in the directory of its sockets."""
    return [
        # See there: a crash would print keys.
        sys.executable, "-I", "-S", launch.__file__,
        str(envoy),
        "--config-path", str(config),
        "--log-path", "/dev/stdout",
        "--concurrency", str(concurrency),
        "--service-node", node_id,
        "--service-cluster", cluster,
        "--disable-hot-restart",
        # Records are what accounting waits for; Envoy's default is ten seconds.
        "--file-flush-interval-msec", "5",
        "--log-level", log_level,
        "--log-format", "%Y-%m-%dT%T.%eZ level=%l logger=%n %v",
        "--drain-time-s", str(DRAIN_S),
    ]  # fmt: skip
