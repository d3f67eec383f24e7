"""Where Envoy may connect: one cluster for each backend, one for the agent.

This list is also the allow list of hosts.
"""

import ipaddress
from collections.abc import Iterator

from envoy_data_plane.envoy.config.cluster.v3 import (
    CircuitBreakers,
    CircuitBreakersThresholds,
    Cluster,
    ClusterCustomClusterType,
    ClusterDiscoveryType,
)
from envoy_data_plane.envoy.config.core.v3 import (
    DataSource,
    Http1ProtocolOptions,
    Http2ProtocolOptions,
    TransportSocket,
)
from envoy_data_plane.envoy.config.core.v3 import HttpProtocolOptions as CommonOptions
from envoy_data_plane.envoy.config.endpoint.v3 import (
    ClusterLoadAssignment,
    Endpoint,
    LbEndpoint,
    LocalityLbEndpoints,
)
from envoy_data_plane.envoy.extensions.clusters.common.dns.v3 import DnsLookupFamily
from envoy_data_plane.envoy.extensions.clusters.dns.v3 import DnsCluster, DnsClusterRefreshRate
from envoy_data_plane.envoy.extensions.filters.http.upstream_codec.v3 import UpstreamCodec
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import HttpFilter
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import (
    CertificateValidationContext,
    CommonTlsContext,
    SubjectAltNameMatcher,
    SubjectAltNameMatcherSanType,
    TlsParameters,
    TlsParametersTlsProtocol,
    UpstreamTlsContext,
)
from envoy_data_plane.envoy.extensions.upstreams.http.v3 import (
    HttpProtocolOptions,
    HttpProtocolOptionsAutoHttpConfig,
    HttpProtocolOptionsExplicitHttpConfig,
)

from bailiwick_contract.v1.tenant_config_pb2 import Backend, Provider, Route, TenantConfig
from bailiwick_sidecar.names import backend_code, cluster_name, endpoint_mark
from bailiwick_sidecar.xds.codes import TranslationError
from bailiwick_sidecar.xds.filters.lua import leaf_filter
from bailiwick_sidecar.xds.messages import exact, inline, packed, pipe, seconds, socket
from bailiwick_sidecar.xds.runtime import BUFFER, Runtime
from bailiwick_sidecar.xds.timeouts import Phases, phases

AGENT = "agent"
_PROTOCOL_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
# Port 0 can be connected to by nobody.
_NOWHERE = "127.0.0.1"
_WINDOW = 1024 * 1024


def clusters(config: TenantConfig, runtime: Runtime) -> tuple[Cluster, ...]:
    """The agent's cluster and every backend's, by name."""
    return (_agent(runtime), *sorted(_backends(config, runtime), key=lambda one: one.name))


def _backends(config: TenantConfig, runtime: Runtime) -> Iterator[Cluster]:
    providers = {provider.name: provider for provider in config.providers}
    for route in config.routes:
        for backend in route.backends:
            provider = providers.get(backend.provider)
            if provider is None:
                raise TranslationError(
                    f"route {route.name!r}, backend {backend.name!r}: provider "
                    f"{backend.provider!r} is not in this config"
                )
            yield _backend(route, backend, provider, runtime)


def _backend(route: Route, backend: Backend, provider: Provider, runtime: Runtime) -> Cluster:
    code = backend_code(route.name, backend.name)
    literal = _literal(provider.host)
    return Cluster(
        name=cluster_name(code),
        type=ClusterDiscoveryType.STATIC if literal else None,
        cluster_type=None if literal else _dns(),
        connect_timeout=seconds(5),
        per_connection_buffer_limit_bytes=BUFFER,
        load_assignment=_endpoints(cluster_name(code), provider, literal=literal),
        circuit_breakers=_breakers(),
        transport_socket=_tls(provider, runtime, literal=literal) if provider.tls else None,
        typed_extension_protocol_options={
            _PROTOCOL_OPTIONS: packed(_protocol(provider, code, phases(route.timeouts)))
        },
    )


def _literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _dns() -> ClusterCustomClusterType:
    # Each address of a name is a host of its own here, without happy eyeballs between them: with
    # both families, half the calls of a gateway without IPv6 would fail. So IPv6 is used for names
    # that have nothing else. A name's own lifetime holds; an unknown name is asked for soon again.
    return ClusterCustomClusterType(
        name="envoy.clusters.dns",
        typed_config=packed(
            DnsCluster(
                dns_lookup_family=DnsLookupFamily.V4_PREFERRED,
                respect_dns_ttl=True,
                dns_failure_refresh_rate=DnsClusterRefreshRate(
                    base_interval=seconds(1), max_interval=seconds(10)
                ),
            )
        ),
    )


def _endpoints(name: str, provider: Provider, *, literal: bool) -> ClusterLoadAssignment:
    groups = [_group(provider.host, provider.port)]
    if not literal:
        # Without any address Envoy answers at once and tries nobody else. This one is used only
        # then, refuses to connect, and so lets the next attempt go on to another provider.
        groups.append(_group(_NOWHERE, 0, priority=1))
    return ClusterLoadAssignment(cluster_name=name, endpoints=groups)


def _group(host: str, port: int, priority: int = 0) -> LocalityLbEndpoints:
    endpoint = LbEndpoint(endpoint=Endpoint(address=socket(host, port)))
    return LocalityLbEndpoints(lb_endpoints=[endpoint], priority=priority)


def _breakers() -> CircuitBreakers:
    # Limits of tenants are the agent's. These keep a stuck provider from taking every descriptor;
    # Envoy's own default of three concurrent retries would cut fallbacks short.
    return CircuitBreakers(
        thresholds=[
            CircuitBreakersThresholds(
                max_connections=2048,
                max_pending_requests=4096,
                max_requests=4096,
                max_retries=4096,
            )
        ]
    )


def _tls(provider: Provider, runtime: Runtime, *, literal: bool) -> TransportSocket:
    name = SubjectAltNameMatcher(
        san_type=SubjectAltNameMatcherSanType.IP_ADDRESS
        if literal
        else SubjectAltNameMatcherSanType.DNS,
        matcher=exact(provider.host),
    )
    authority = (
        inline(provider.ca_bundle) if provider.ca_bundle else DataSource(filename=runtime.system_ca)
    )
    context = UpstreamTlsContext(
        sni="" if literal else provider.host,
        common_tls_context=CommonTlsContext(
            tls_params=TlsParameters(tls_minimum_protocol_version=TlsParametersTlsProtocol.TLSv1_2),
            validation_context=CertificateValidationContext(
                trusted_ca=authority, match_typed_subject_alt_names=[name]
            ),
        ),
    )
    return TransportSocket(name="envoy.transport_sockets.tls", typed_config=packed(context))


def _protocol(provider: Provider, code: str, limits: Phases) -> HttpProtocolOptions:
    authority = provider.host
    if ":" in authority:
        authority = f"[{authority}]"
    if provider.port != (443 if provider.tls else 80):
        authority = f"{authority}:{provider.port}"
    options = HttpProtocolOptions(
        common_http_protocol_options=CommonOptions(
            idle_timeout=seconds(60), max_stream_duration=limits.attempt
        ),
        http_filters=[
            leaf_filter(
                code=code,
                endpoint=endpoint_mark(provider),
                authority=authority,
                path=provider.path,
            ),
            HttpFilter(
                name="envoy.filters.http.upstream_codec", typed_config=packed(UpstreamCodec())
            ),
        ],
    )
    if provider.tls:
        options.auto_config = HttpProtocolOptionsAutoHttpConfig(
            http_protocol_options=Http1ProtocolOptions(),
            http2_protocol_options=Http2ProtocolOptions(
                initial_stream_window_size=_WINDOW, initial_connection_window_size=16 * _WINDOW
            ),
        )
    else:
        options.explicit_http_config = HttpProtocolOptionsExplicitHttpConfig(
            http_protocol_options=Http1ProtocolOptions()
        )
    return options


def _agent(runtime: Runtime) -> Cluster:
    endpoint = LbEndpoint(endpoint=Endpoint(address=pipe(runtime.agent_socket)))
    return Cluster(
        name=AGENT,
        type=ClusterDiscoveryType.STATIC,
        connect_timeout=seconds(1),
        load_assignment=ClusterLoadAssignment(
            cluster_name=AGENT, endpoints=[LocalityLbEndpoints(lb_endpoints=[endpoint])]
        ),
        circuit_breakers=_breakers(),
    )
