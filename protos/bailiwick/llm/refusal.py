"""Why a call failed, read from what gRPC says."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import grpc
import grpc.aio
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, QuotaFailure, RetryInfo
from google.rpc.status_pb2 import Status

from bailiwick_contract.errors import BailiwickError

_DETAILS = "grpc-status-details-bin"


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit that a call would have gone past."""

    id: str
    kind: str
    subject: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A failure as the gateway describes it."""

    status: grpc.StatusCode
    message: str
    code: str = ""
    """The gateway's stable code, such as `rate_limit_exceeded`; empty: it was not the gateway."""
    retry_after: float | None = None
    """Seconds after which the same call may pass; None: it will not, or nobody knows."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """What is wrong with which field of the request, by its path."""
    limits: tuple[Limit, ...] = ()
    request_id: str = ""


class RefusedError(BailiwickError):
    """A call failed; `refusal` says how."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.code or refusal.status.name}: {refusal.message}")
        self.refusal = refusal


def refusal_of(error: grpc.RpcError) -> Refusal:
    """What the error of a call says, of a blocking or an asyncio channel."""
    code, message = _call(error, "code"), _call(error, "details")
    trailers = _call(error, "trailing_metadata")
    rich, request_id = _metadata(trailers if isinstance(trailers, Iterable) else ())
    reason, wait, limits = "", None, []
    fields: dict[str, str] = {}
    for detail in rich.details:
        info, retry, bad, quota = ErrorInfo(), RetryInfo(), BadRequest(), QuotaFailure()
        if detail.Unpack(info):
            reason = info.reason
        elif detail.Unpack(retry):
            wait = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
        elif detail.Unpack(bad):
            fields |= {one.field: one.description for one in bad.field_violations}
        elif detail.Unpack(quota):
            limits += [
                Limit(one.quota_id, one.quota_metric, dict(one.quota_dimensions))
                for one in quota.violations
            ]
    return Refusal(
        status=code if isinstance(code, grpc.StatusCode) else grpc.StatusCode.UNKNOWN,
        message=message if isinstance(message, str) else str(error),
        code=reason,
        retry_after=wait,
        fields=fields,
        limits=tuple(limits),
        request_id=request_id,
    )


def _call(error: grpc.RpcError, name: str) -> object:
    """The errors of both kinds of channel have these methods; their common type has none."""
    method = getattr(error, name, None)
    return method() if callable(method) else None


def _metadata(trailers: Iterable[tuple[str, str | bytes]]) -> tuple[Status, str]:
    rich, request_id = Status(), ""
    for name, value in trailers:
        if name == _DETAILS and isinstance(value, bytes):
            rich = Status.FromString(value)
        elif name == "x-request-id" and isinstance(value, str):
            request_id = value
    return rich, request_id
