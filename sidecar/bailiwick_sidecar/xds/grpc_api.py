"""The gRPC API's way: from callers' port to the agent, which sends each call on as HTTP."""

from envoy_data_plane.envoy.config.cluster.v3 import (
    CircuitBreakers,
    CircuitBreakersThresholds,
    Cluster,
    ClusterDiscoveryType,
)
from envoy_data_plane.envoy.config.core.v3 import Http1ProtocolOptions
from envoy_data_plane.envoy.config.endpoint.v3 import (
    ClusterLoadAssignment,
    Endpoint,
    LbEndpoint,
    LocalityLbEndpoints,
)
from envoy_data_plane.envoy.config.route.v3 import (
    Route,
    RouteAction,
    RouteMatch,
    RouteMatchGrpcRouteMatchOptions,
)
from envoy_data_plane.envoy.extensions.filters.http.lua.v3 import LuaPerRoute
from envoy_data_plane.envoy.extensions.upstreams.http.v3 import (
    HttpProtocolOptions,
    HttpProtocolOptionsExplicitHttpConfig,
)

from bailiwick_sidecar.xds.messages import packed, pipe, seconds
from bailiwick_sidecar.xds.runtime import Runtime

CLUSTER = "grpc"
CALLS = "/bailiwick.llm.v1.LanguageModel/"
HEALTH = "/grpc.health.v1.Health/"
_PREFIXES = (
    CALLS,
    HEALTH,
    "/grpc.reflection.v1.ServerReflection/",
    "/grpc.reflection.v1alpha.ServerReflection/",
)
_PROTOCOL_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_STREAMS = 4096


def grpc_cluster(runtime: Runtime) -> Cluster:
    """The agent's gRPC socket. It speaks HTTP/1.1 with trailers, one call a connection."""
    protocol = HttpProtocolOptions(
        explicit_http_config=HttpProtocolOptionsExplicitHttpConfig(
            http_protocol_options=Http1ProtocolOptions(enable_trailers=True)
        )
    )
    endpoint = LbEndpoint(endpoint=Endpoint(address=pipe(runtime.grpc_socket)))
    breakers = CircuitBreakersThresholds(
        max_connections=_STREAMS, max_pending_requests=_STREAMS, max_requests=_STREAMS
    )
    return Cluster(
        name=CLUSTER,
        type=ClusterDiscoveryType.STATIC,
        connect_timeout=seconds(1),
        load_assignment=ClusterLoadAssignment(
            cluster_name=CLUSTER, endpoints=[LocalityLbEndpoints(lb_endpoints=[endpoint])]
        ),
        circuit_breakers=CircuitBreakers(thresholds=[breakers]),
        typed_extension_protocol_options={_PROTOCOL_OPTIONS: packed(protocol)},
    )


def grpc_routes() -> list[Route]:
    """Routes of the gRPC services. A call's clocks run where it is sent on, and at its caller."""
    return [
        Route(
            name=prefix,
            match=RouteMatch(prefix=prefix, grpc=RouteMatchGrpcRouteMatchOptions()),
            route=RouteAction(cluster=CLUSTER, timeout=seconds(0), idle_timeout=seconds(0)),
            # The scripts are for calls by HTTP.
            typed_per_filter_config={"envoy.filters.http.lua": packed(LuaPerRoute(disabled=True))},
        )
        for prefix in _PREFIXES
    ]
