"""Records for the agent: one JSON line at the end of each attempt and of each request.

Formats are constants of this file; no text of a config is ever part of one.
"""

from envoy_data_plane.envoy.config.accesslog.v3 import (
    AccessLog,
    AccessLogFilter,
    AndFilter,
    ComparisonFilter,
    ComparisonFilterOp,
    GrpcStatusFilter,
    GrpcStatusFilterStatus,
    HeaderFilter,
    MetadataFilter,
    OrFilter,
    StatusCodeFilter,
)
from envoy_data_plane.envoy.config.core.v3 import RuntimeUInt32, SubstitutionFormatString
from envoy_data_plane.envoy.config.route.v3 import HeaderMatcher
from envoy_data_plane.envoy.extensions.access_loggers.file.v3 import FileAccessLog
from envoy_data_plane.envoy.type.matcher.v3 import (
    MetadataMatcher,
    MetadataMatcherPathSegment,
    StringMatcher,
    ValueMatcher,
)

from bailiwick_sidecar.xds.messages import exact, packed, struct
from bailiwick_sidecar.xds.runtime import Runtime

_REQUEST = {
    "k": "r",
    "id": "%REQ(X-REQUEST-ID)%",
    "n": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "s": "%RESPONSE_CODE%",
    "f": "%RESPONSE_FLAGS%",
    "c": "%RESPONSE_CODE_DETAILS%",
    "t": "%START_TIME(%s.%6f)%",
    "d": "%DURATION%",
    "fb": "%RESPONSE_DURATION%",
    "p": "%DYNAMIC_METADATA(bailiwick:p)%",
    "sent": "%BYTES_SENT%",
    "u": "%DYNAMIC_METADATA(bailiwick:u)%",
    "ev": "%DYNAMIC_METADATA(bailiwick:ev)%",
    "eb": "%DYNAMIC_METADATA(bailiwick:eb)%",
    "m": "%DYNAMIC_METADATA(bailiwick:m)%",
    "done": "%DYNAMIC_METADATA(bailiwick:done)%",
}

_ATTEMPT = {
    "k": "a",
    "id": "%REQ(X-REQUEST-ID)%",
    "n": "%REQ(X-ENVOY-ATTEMPT-COUNT)%",
    "b": "%UPSTREAM_CLUSTER%",
    "s": "%RESPONSE_CODE%",
    "f": "%RESPONSE_FLAGS%",
    "t": "%START_TIME(%s.%6f)%",
    "d": "%DURATION%",
    "tx": "%UPSTREAM_WIRE_BYTES_SENT%",
    "rx": "%UPSTREAM_WIRE_BYTES_RECEIVED%",
    "x": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    "ra": "%RESP(RETRY-AFTER):10%",
}


def request_log(runtime: Runtime) -> AccessLog:
    """Records of metered requests, and of refused tokens: those tell of keys not yet known."""
    refused = AccessLogFilter(
        grpc_status_filter=GrpcStatusFilter(statuses=[GrpcStatusFilterStatus.UNAUTHENTICATED])
    )
    return _log(
        runtime,
        _REQUEST,
        AccessLogFilter(or_filter=OrFilter(filters=[noted("p"), with_status(401), refused])),
    )


def attempt_log(runtime: Runtime) -> AccessLog:
    """Records of attempts at a backend.

    Routes ask the agent with GET, or with gRPC; dynamic metadata is not to be seen here.
    """
    method = HeaderMatcher(name=":method", string_match=exact("POST"))
    plain = HeaderMatcher(
        name="content-type",
        string_match=StringMatcher(prefix="application/grpc"),
        invert_match=True,
        treat_missing_header_as_empty=True,
    )
    both = AndFilter(
        filters=[
            AccessLogFilter(header_filter=HeaderFilter(header=header)) for header in (method, plain)
        ]
    )
    return _log(runtime, _ATTEMPT, AccessLogFilter(and_filter=both))


def noted(key: str) -> AccessLogFilter:
    """True where the request script has noted something under this key."""
    return AccessLogFilter(
        metadata_filter=MetadataFilter(
            matcher=MetadataMatcher(
                filter="bailiwick",
                path=[MetadataMatcherPathSegment(key=key)],
                value=ValueMatcher(present_match=True),
            ),
            match_if_key_not_found=False,
        )
    )


def with_status(code: int, op: ComparisonFilterOp = ComparisonFilterOp.EQ) -> AccessLogFilter:
    """True where the answer's status compares so with this one."""
    return AccessLogFilter(
        status_code_filter=StatusCodeFilter(
            comparison=ComparisonFilter(
                op=op,
                value=RuntimeUInt32(default_value=code, runtime_key="bailiwick.none"),
            )
        )
    )


def _log(runtime: Runtime, fields: dict[str, str], keep: AccessLogFilter) -> AccessLog:
    return AccessLog(
        name="envoy.access_loggers.file",
        filter=keep,
        typed_config=packed(
            FileAccessLog(
                path=runtime.usage_log,
                log_format=SubstitutionFormatString(json_format=struct(fields)),
            )
        ),
    )
