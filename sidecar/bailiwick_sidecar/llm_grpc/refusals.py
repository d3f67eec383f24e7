"""HTTP refusals → gRPC statuses: the one place that says which belongs to which.

The pairs are those of google.rpc.Code's own documentation; the gateway's codes that say more than
their status stand first.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, QuotaFailure, RetryInfo

from bailiwick_sidecar.llm_grpc.status import Code, Status, failure

BY_CODE: Final[Mapping[str, Code]] = {
    "request_too_large": Code.RESOURCE_EXHAUSTED,
    "upstream_timeout": Code.DEADLINE_EXCEEDED,
}
BY_STATUS: Final[Mapping[int, Code]] = {
    400: Code.INVALID_ARGUMENT,
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    404: Code.NOT_FOUND,
    405: Code.UNIMPLEMENTED,
    408: Code.DEADLINE_EXCEEDED,
    409: Code.ABORTED,
    412: Code.FAILED_PRECONDITION,
    413: Code.RESOURCE_EXHAUSTED,
    415: Code.INVALID_ARGUMENT,
    422: Code.INVALID_ARGUMENT,
    429: Code.RESOURCE_EXHAUSTED,
    499: Code.CANCELLED,
    500: Code.INTERNAL,
    501: Code.UNIMPLEMENTED,
    502: Code.UNAVAILABLE,
    503: Code.UNAVAILABLE,
    504: Code.DEADLINE_EXCEEDED,
    529: Code.UNAVAILABLE,
}
CLIENT_ERROR: Final = 400
SERVER_ERROR: Final = 500
MAX_RETRY: Final = 10**6
UNNAMED: Final = "provider_error"
"""The reason where a provider's error has no code."""


def refusal(
    status: int, headers: Mapping[str, str], body: bytes, *, fields: frozenset[str], prefix: str
) -> Status:
    """The status of an HTTP answer that is an error.

    `fields` are the names that the request's message has; a parameter beside them stands in
    `extra`. `prefix` is where that message is.
    """
    error = _error(body)
    reason = _word(error.get("code")) or _word(error.get("type")) or UNNAMED
    message = error.get("message")
    if not isinstance(message, str):
        message = f"The provider answered {status} without saying why."
    more: list[Message] = []
    if isinstance(param := error.get("param"), str) and param:
        violation = BadRequest.FieldViolation(
            field=_field(param, fields, prefix), description=message, reason=reason
        )
        more.append(BadRequest(field_violations=[violation]))
    if isinstance(limit := error.get("limit"), dict):
        more.append(_quota(limit, message))
    if (wait := _seconds(headers.get("retry-after"))) is not None:
        more.append(RetryInfo(retry_delay=Duration(seconds=wait)))
    facts = {"http_status": str(status)}
    if request_id := headers.get("x-request-id"):
        facts["request_id"] = request_id
    return failure(code_of(status, reason), reason, message, facts=facts, more=more)


def code_of(status: int, reason: str = "") -> Code:
    """The code of gRPC for an HTTP status and the gateway's own code."""
    code = BY_CODE.get(reason) or BY_STATUS.get(status)
    if code is not None:
        return code
    if status >= SERVER_ERROR:
        return Code.INTERNAL
    return Code.INVALID_ARGUMENT if status >= CLIENT_ERROR else Code.UNKNOWN


def _error(body: bytes) -> Mapping[str, Any]:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    error = said.get("error") if isinstance(said, dict) else None
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else {}


def _word(value: object) -> str:
    return value[:63] if isinstance(value, str) else ""


def _field(param: str, fields: frozenset[str], prefix: str) -> str:
    """The parameter's path in the message: `seed` → `chat.seed`, `store` → `chat.extra.store`."""
    name = param.partition(".")[0].partition("[")[0]
    if name.startswith("x-"):
        return param
    return prefix + param if name in fields else f"{prefix}extra.{param}"


def _quota(limit: Mapping[str, Any], message: str) -> QuotaFailure:
    """The limit that refuses, as the HTTP answer's `limit` says it."""
    subject = limit.get("subject")
    dimensions = (
        {str(name): str(value) for name, value in subject.items()}
        if isinstance(subject, dict)
        else {}
    )
    allowed = limit.get("limit")
    violation = QuotaFailure.Violation(
        subject=",".join(f"{name}:{value}" for name, value in dimensions.items()),
        description=message,
        quota_id=str(limit.get("id", "")),
        quota_metric=str(limit.get("kind", "")),
        quota_dimensions=dimensions,
    )
    if isinstance(allowed, int) and 0 <= allowed < 2**63:
        violation.quota_value = allowed
    return QuotaFailure(violations=[violation])


def _seconds(header: str | None) -> int | None:
    if header is None or not header.isascii() or not header.isdecimal():
        return None
    return min(int(header[:7]), MAX_RETRY)
