"""What Envoy itself answers to a call by gRPC. It makes the status of the HTTP status.

A client compares the message in the details with the one in `grpc-message`, so both are constants;
what differs from call to call stands beside them.
"""

import base64
from dataclasses import dataclass

from envoy_data_plane.envoy.config.accesslog.v3 import (
    AccessLogFilter,
    AndFilter,
    ComparisonFilterOp,
    HeaderFilter,
)
from envoy_data_plane.envoy.config.core.v3 import DataSource, SubstitutionFormatString
from envoy_data_plane.envoy.config.route.v3 import HeaderMatcher
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import (
    ResponseMapper,
)
from envoy_data_plane.envoy.type.matcher.v3 import StringMatcher
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo

from bailiwick_sidecar.llm_grpc.status import Code, failure
from bailiwick_sidecar.xds.accesslog import with_status
from bailiwick_sidecar.xds.messages import set_header


@dataclass(frozen=True, slots=True)
class _Reply:
    """`http` is the status that Envoy makes `code` of."""

    when: AccessLogFilter
    http: int
    code: Code
    reason: str
    message: str


def grpc_replies() -> list[ResponseMapper]:
    """The first that holds decides."""
    return [_mapper(one) for one in _replies()]


def _replies() -> list[_Reply]:
    return [
        _Reply(
            with_status(401),
            401,
            Code.UNAUTHENTICATED,
            "invalid_api_key",
            "Not authorised: send a valid token of one of the tenant's issuers as metadata, "
            "authorization: Bearer TOKEN. x-bailiwick-reason says what is wrong with this one.",
        ),
        _Reply(
            with_status(404),
            404,
            Code.UNIMPLEMENTED,
            "not_found",
            "There is no such method here. See the services bailiwick.llm.v1.LanguageModel and "
            "grpc.health.v1.Health.",
        ),
        _Reply(
            with_status(500, ComparisonFilterOp.GE),
            503,
            Code.UNAVAILABLE,
            "gateway_unavailable",
            "The gateway can't take this call now. Try again in a second.",
        ),
        _Reply(
            with_status(400, ComparisonFilterOp.GE),
            400,
            Code.INTERNAL,
            "invalid_request",
            "The call is not valid gRPC for this gateway, or did not arrive in time.",
        ),
    ]


def _mapper(reply: _Reply) -> ResponseMapper:
    retry = [RetryInfo(retry_delay=Duration(seconds=1))] if reply.code is Code.UNAVAILABLE else []
    status = failure(reply.code, reply.reason, reply.message, more=retry)
    headers = [set_header("grpc-status-details-bin", base64.b64encode(status.details).decode())]
    if reply.code is Code.UNAUTHENTICATED:
        headers.append(set_header("x-bailiwick-reason", "%RESPONSE_CODE_DETAILS%"))
    return ResponseMapper(
        filter=AccessLogFilter(and_filter=AndFilter(filters=[_by_grpc(), reply.when])),
        status_code=reply.http,
        headers_to_add=headers,
        body_format_override=SubstitutionFormatString(
            text_format_source=DataSource(inline_string=reply.message)
        ),
    )


def _by_grpc() -> AccessLogFilter:
    media = HeaderMatcher(
        name="content-type", string_match=StringMatcher(prefix="application/grpc")
    )
    return AccessLogFilter(header_filter=HeaderFilter(header=media))
