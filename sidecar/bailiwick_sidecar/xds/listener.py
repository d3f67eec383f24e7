"""The doors: callers' listener, hardened as Envoy's edge checklist asks, and the agent's own.

Both have the same filters and routes, so that a call that came by gRPC and that the agent sends on
as HTTP meets the same authentication, limits and accounts.
"""

from collections.abc import Iterable

from envoy_data_plane.envoy.config.common.mutation_rules.v3 import (
    HeaderMutation as Mutation,
)
from envoy_data_plane.envoy.config.common.mutation_rules.v3 import HeaderMutationRemoveOnMatch
from envoy_data_plane.envoy.config.core.v3 import (
    Http1ProtocolOptions,
    Http2ProtocolOptions,
    HttpProtocolOptionsHeadersWithUnderscoresAction,
    KeepaliveSettings,
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
from bailiwick_sidecar.xds.messages import ads, extension, packed, pipe, seconds, set_header, socket
from bailiwick_sidecar.xds.routes import NAME as ROUTES
from bailiwick_sidecar.xds.runtime import BUFFER, Runtime

NAME = "calls"
AGENTS_NAME = "agents-calls"
CLOSING = "closing"
PROTOCOL_HEADER = "x-bw-protocol"
"""Says that a call came by gRPC. Only the agent's own listener sets it; callers' is stripped."""
_INTERNAL_PREFIXES = ("x-bw-", "x-envoy-")
_CALLERS_PREFIXES = (*_INTERNAL_PREFIXES, "x-request-id")
_STREAM_WINDOW = 256 * 1024
_CONNECTION_WINDOW = 1024 * 1024


def listener(runtime: Runtime, *, closing: bool) -> Listener:
    """Where callers connect. `closing` ends what is under way, as `_chain` says.

    Nothing else of the tenant's config is in it, so that it never drains while it serves.
    """
    manager = _manager(runtime, NAME, _stripped(_CALLERS_PREFIXES))
    return Listener(
        name=NAME,
        address=socket(runtime.address, runtime.port),
        per_connection_buffer_limit_bytes=BUFFER,
        filter_chains=[_chain(manager, closing=closing)],
    )


def agents_listener(runtime: Runtime, *, closing: bool) -> Listener:
    """Where the agent sends calls on that came by gRPC; nobody else reaches its socket.

    Their id is the one that Envoy gave them at the callers' listener.
    """
    protocol = Mutation(append=set_header(PROTOCOL_HEADER, "grpc"))
    manager = _manager(runtime, AGENTS_NAME, [*_stripped(_INTERNAL_PREFIXES), protocol])
    manager.preserve_external_request_id = True
    return Listener(
        name=AGENTS_NAME,
        address=pipe(runtime.api_socket, mode=0o600),
        per_connection_buffer_limit_bytes=BUFFER,
        # Each belongs to a call whose own connection was counted.
        ignore_global_conn_limit=True,
        filter_chains=[_chain(manager, closing=closing)],
    )


def _chain(manager: HttpConnectionManager, *, closing: bool) -> FilterChain:
    """Another name is another chain to Envoy: connections of the one before are drained.

    Those that are still open after its `--drain-time-s` are closed, with the calls in them; new
    ones meet the same filters at the same address.
    """
    return FilterChain(
        name=CLOSING if closing else "",
        filters=[
            Filter(
                name="envoy.filters.network.http_connection_manager", typed_config=packed(manager)
            )
        ],
    )


def _manager(runtime: Runtime, name: str, mutations: list[Mutation]) -> HttpConnectionManager:
    return HttpConnectionManager(
        stat_prefix=name,
        rds=Rds(config_source=ads(), route_config_name=ROUTES),
        http_filters=http_filters(runtime),
        access_log=[request_log(runtime)],
        local_reply_config=local_replies(),
        early_header_mutation_extensions=[
            extension(
                "envoy.http.early_header_mutation.header_mutation",
                HeaderMutation(mutations=mutations),
            )
        ],
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
            # A caller that vanished without a word is found out while it only listens.
            connection_keepalive=KeepaliveSettings(interval=seconds(60), timeout=seconds(20)),
        ),
    )


def _stripped(prefixes: Iterable[str]) -> list[Mutation]:
    return [
        Mutation(
            remove_on_match=HeaderMutationRemoveOnMatch(
                key_matcher=StringMatcher(prefix=prefix, ignore_case=True)
            )
        )
        for prefix in prefixes
    ]
