"""Every answer that Envoy makes itself has OpenAI's shape and a stable code."""

from collections.abc import Iterable

from envoy_data_plane.envoy.config.accesslog.v3 import (
    AccessLogFilter,
    AndFilter,
    ComparisonFilterOp,
    HeaderFilter,
    OrFilter,
    ResponseFlagFilter,
)
from envoy_data_plane.envoy.config.core.v3 import SubstitutionFormatString
from envoy_data_plane.envoy.config.route.v3 import HeaderMatcher
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import (
    LocalReplyConfig,
    ResponseMapper,
)

from bailiwick_sidecar.xds.accesslog import noted, with_status
from bailiwick_sidecar.xds.grpc_replies import grpc_replies
from bailiwick_sidecar.xds.messages import exact, set_header, struct
from bailiwick_sidecar.xds.routes import AGENT_PATHS, METERED_PATHS

_UPSTREAM_FLAGS = ["UF", "UH", "UC", "UR", "LR", "UO", "URX", "NC", "UPE", "DF"]
_TRIED = "attempts: %UPSTREAM_REQUEST_ATTEMPT_COUNT%, backends: %DYNAMIC_METADATA(bailiwick:b)%"
_RETRY_SOON = [set_header("retry-after", "1")]


def local_replies() -> LocalReplyConfig:
    """The first rule that holds decides."""
    asked_agent = AccessLogFilter(or_filter=OrFilter(filters=[_path(path) for path in AGENT_PATHS]))
    rules = [
        # What a script or the agent answered stands as it is.
        ResponseMapper(filter=noted("own")),
        *grpc_replies(),
        _error(with_status(401), "invalid_api_key", "Not authorised: %LOCAL_REPLY_BODY%."),
        # Envoy says 403 of a token for another audience.
        _error(
            with_status(403), "invalid_api_key", "Not authorised: %LOCAL_REPLY_BODY%.", status=401
        ),
        _error(
            with_status(404),
            "not_found",
            f"There is no such path or method here. See POST {', '.join(METERED_PATHS)}, "
            f"GET {', '.join(path for path in AGENT_PATHS if path.startswith('/v1/'))}.",
        ),
        _error(with_status(413), "request_too_large", "The body is larger than 16 MiB."),
        _error(
            _all(with_status(503), asked_agent),
            "gateway_unavailable",
            "The gateway can't answer now. Try again.",
            kind="api_error",
        ),
        _error(
            _flags(["UT", "UMSDR", "DT", "SI"]),
            "upstream_timeout",
            f"The model's provider did not answer in time ({_TRIED}).",
            kind="api_error",
            status=504,
        ),
        _error(
            _flags(_UPSTREAM_FLAGS),
            "upstream_unavailable",
            f"No provider of the model can be reached ({_TRIED}).",
            kind="api_error",
        ),
        _error(with_status(408), "request_timeout", "The request did not arrive in time."),
        _error(
            with_status(503),
            "gateway_unavailable",
            "The gateway can't take this request now. Try again.",
            kind="api_error",
        ),
        _error(
            with_status(500, ComparisonFilterOp.GE),
            "gateway_error",
            "The gateway failed to handle this request.",
            kind="api_error",
        ),
        _error(
            with_status(400, ComparisonFilterOp.GE),
            "invalid_request",
            "The request is not valid HTTP for this gateway.",
        ),
    ]
    for rule in rules:
        if "gateway_unavailable" in str(rule.body_format_override):
            rule.headers_to_add = list(_RETRY_SOON)
    return LocalReplyConfig(mappers=rules)


def _error(
    when: AccessLogFilter,
    code: str,
    message: str,
    *,
    kind: str = "invalid_request_error",
    status: int | None = None,
) -> ResponseMapper:
    error = {"message": message, "type": kind, "param": None, "code": code}
    return ResponseMapper(
        filter=when,
        status_code=status,
        body_format_override=SubstitutionFormatString(
            json_format=struct({"error": error}), content_type="application/json"
        ),
    )


def _path(path: str) -> AccessLogFilter:
    matcher = HeaderMatcher(name=":path", string_match=exact(path))
    return AccessLogFilter(header_filter=HeaderFilter(header=matcher))


def _flags(flags: Iterable[str]) -> AccessLogFilter:
    return AccessLogFilter(response_flag_filter=ResponseFlagFilter(flags=list(flags)))


def _all(*filters: AccessLogFilter) -> AccessLogFilter:
    return AccessLogFilter(and_filter=AndFilter(filters=list(filters)))
