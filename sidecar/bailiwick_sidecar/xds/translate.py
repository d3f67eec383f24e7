"""The one way from a tenant's config to Envoy's resources: a pure function."""

from collections.abc import Iterable

from envoy_data_plane.envoy.config.cluster.v3 import Cluster
from envoy_data_plane.envoy.config.core.v3 import TypedExtensionConfig
from envoy_data_plane.envoy.config.listener.v3 import Listener
from envoy_data_plane.envoy.config.route.v3 import RouteConfiguration
from envoy_data_plane.google.protobuf import Any

from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_sidecar.xds.clusters import clusters
from bailiwick_sidecar.xds.filters.jwt import NAME as JWT
from bailiwick_sidecar.xds.filters.jwt import jwt_extension
from bailiwick_sidecar.xds.grpc_api import grpc_cluster
from bailiwick_sidecar.xds.listener import agents_listener, listener
from bailiwick_sidecar.xds.messages import packed
from bailiwick_sidecar.xds.routes import NAME as ROUTES
from bailiwick_sidecar.xds.routes import route_configuration
from bailiwick_sidecar.xds.runtime import Runtime
from bailiwick_sidecar.xds.snapshot import Kind, References, Snapshot


def translate(config: TenantConfig, runtime: Runtime) -> Snapshot:
    """Everything that Envoy needs to serve this config, consistent in itself.

    Raises:
        TranslationError: the config names something that it does not hold.
    """
    backends = (*clusters(config, runtime), grpc_cluster(runtime))
    calls = route_configuration(config, body_limit=runtime.body_limit)
    closing = bool(config.deny_reason)
    doors = (listener(runtime, closing=closing), agents_listener(runtime, closing=closing))
    callers = jwt_extension(config, runtime)
    snapshot = Snapshot(
        resources={
            Kind.CLUSTER: _by_name(backends),
            Kind.LISTENER: _by_name(doors),
            Kind.ROUTES: _by_name([calls]),
            Kind.EXTENSION: _by_name([callers]),
        },
        references=References(
            clusters=frozenset(one.name for one in backends),
            routes=frozenset({ROUTES}),
            extensions=frozenset({JWT}),
        ),
    )
    snapshot.consistent()
    return snapshot


def _by_name(
    messages: Iterable[Cluster | Listener | RouteConfiguration | TypedExtensionConfig],
) -> dict[str, Any]:
    return {message.name: packed(message) for message in messages}
