"""The discovery service on grpcio."""

from collections.abc import AsyncIterator, Callable

import grpc
from google.protobuf.any_pb2 import Any

from bailiwick_contract.v1.discovery_pb2 import DiscoveryRequest, DiscoveryResponse
from bailiwick_sidecar.xds.sessions import Request, Response
from bailiwick_sidecar.xds.snapshot import Kind

_SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
_KINDS = {kind.value: kind for kind in Kind}

Stream = Callable[[AsyncIterator[DiscoveryRequest], object], AsyncIterator[DiscoveryResponse]]


def ads_handlers(stream: Stream) -> grpc.GenericRpcHandler:
    """Handlers of the aggregated discovery service over this stream function."""
    method = grpc.stream_stream_rpc_method_handler(
        stream,
        request_deserializer=DiscoveryRequest.FromString,
        response_serializer=DiscoveryResponse.SerializeToString,
    )
    return grpc.method_handlers_generic_handler(_SERVICE, {"StreamAggregatedResources": method})


def request_of(message: DiscoveryRequest) -> Request | None:
    """The request; None for a type that is not served here."""
    kind = _KINDS.get(message.type_url)
    if kind is None:
        return None
    return Request(
        kind=kind,
        names=frozenset(message.resource_names),
        nonce=message.response_nonce,
        error=message.error_detail.message if message.HasField("error_detail") else None,
    )


def message_of(response: Response) -> DiscoveryResponse:
    """The response as a message."""
    return DiscoveryResponse(
        version_info=response.version,
        resources=[Any(type_url=one.type_url, value=one.value) for one in response.resources],
        type_url=response.kind.value,
        nonce=response.nonce,
    )
