"""The door: one listener, hardened as Envoy's edge checklist asks, for traffic of one tenant."""

from envoy_data_plane.envoy.config.common.mutation_rules.v3 import (
    HeaderMutation as Mutation,
)
from envoy_data_plane.envoy.config.common.mutation_rules.v3 import HeaderMutationRemoveOnMatch
from envoy_data_plane.envoy.config.core.v3 import (
    Http1ProtocolOptions,
    Http2ProtocolOptions,
    HttpProtocolOptionsHeadersWithUnderscoresAction,
    TypedExtensionConfig,
)
from envoy_data_plane.envoy.config.core.v3 import HttpProtocolOptions as CommonOptions
from envoy_data_plane.envoy.config.listener.v3 import Filter, FilterChain, Listener
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import (
    HttpConnectionManager,
    HttpConnectionManagerInternalAddressConfig,
    HttpConnectionManagerPathWithEscapedSlashesAction,
    HttpConnectionManagerServerHeaderTransformation,
    Rds,
)
from envoy_data_plane.envoy.extensions.http.early_header_mutation.header_mutation.v3 import (
    HeaderMutation,
)
from envoy_data_plane.envoy.type.matcher.v3 import StringMatcher

from bailiwick_sidecar.xds.accesslog import request_log
from bailiwick_sidecar.xds.filters.order import http_filters
from bailiwick_sidecar.xds.local_replies import local_replies
from bailiwick_sidecar.xds.messages import ads, extension, packed, seconds, socket
from bailiwick_sidecar.xds.routes import NAME as ROUTES
from bailiwick_sidecar.xds.runtime import Runtime

NAME = "calls"
_INTERNAL_PREFIXES = ("x-bw-", "x-envoy-", "x-request-id")
_STREAM_WINDOW = 256 * 1024
_CONNECTION_WINDOW = 1024 * 1024


def listener(runtime: Runtime) -> Listener:
    """The only listener. Nothing of the tenant's config is in it, so that it never drains."""
    manager = Filter(
        name="envoy.filters.network.http_connection_manager", typed_config=packed(_manager(runtime))
    )
    return Listener(
        name=NAME,
        address=socket(runtime.address, runtime.port),
        per_connection_buffer_limit_bytes=runtime.body_limit,
        filter_chains=[FilterChain(filters=[manager])],
    )


def _manager(runtime: Runtime) -> HttpConnectionManager:
    return HttpConnectionManager(
        stat_prefix=NAME,
        rds=Rds(config_source=ads(), route_config_name=ROUTES),
        http_filters=http_filters(runtime),
        access_log=[request_log(runtime)],
        local_reply_config=local_replies(),
        early_header_mutation_extensions=[_strip_internal_headers()],
        # The peer is the caller: no forwarded header is believed, and no address is internal,
        # so that no caller keeps a header that only Envoy may set.
        use_remote_address=True,
        skip_xff_append=True,
        internal_address_config=HttpConnectionManagerInternalAddressConfig(),
        generate_request_id=True,
        preserve_external_request_id=False,
        always_set_request_id_in_response=True,
        normalize_path=True,
        merge_slashes=True,
        path_with_escaped_slashes_action=(
            HttpConnectionManagerPathWithEscapedSlashesAction.REJECT_REQUEST
        ),
        server_header_transformation=HttpConnectionManagerServerHeaderTransformation.PASS_THROUGH,
        request_headers_timeout=seconds(10),
        # Until the request is complete; answers have their route's clocks.
        request_timeout=seconds(60),
        stream_idle_timeout=seconds(300),
        max_request_headers_kb=60,
        common_http_protocol_options=CommonOptions(
            idle_timeout=seconds(3600),
            max_headers_count=100,
            headers_with_underscores_action=(
                HttpProtocolOptionsHeadersWithUnderscoresAction.REJECT_REQUEST
            ),
        ),
        http_protocol_options=Http1ProtocolOptions(),
        http2_protocol_options=Http2ProtocolOptions(
            max_concurrent_streams=100,
            initial_stream_window_size=_STREAM_WINDOW,
            initial_connection_window_size=_CONNECTION_WINDOW,
        ),
    )


def _strip_internal_headers() -> TypedExtensionConfig:
    removals = [
        Mutation(
            remove_on_match=HeaderMutationRemoveOnMatch(
                key_matcher=StringMatcher(prefix=prefix, ignore_case=True)
            )
        )
        for prefix in _INTERNAL_PREFIXES
    ]
    return extension(
        "envoy.http.early_header_mutation.header_mutation", HeaderMutation(mutations=removals)
    )
