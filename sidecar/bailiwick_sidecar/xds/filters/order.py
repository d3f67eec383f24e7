"""The order of the listener's HTTP filters, and why."""

from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import HttpFilter

from bailiwick_sidecar.xds.filters.jwt import jwt_filter
from bailiwick_sidecar.xds.filters.lua import request_filter
from bailiwick_sidecar.xds.filters.router import router_filter
from bailiwick_sidecar.xds.runtime import Runtime


def http_filters(runtime: Runtime) -> list[HttpFilter]:
    """The chain that every request goes through."""
    return [
        jwt_filter(),  # first: nobody unknown makes the gateway read a body or call the agent
        request_filter(),  # then: it needs the verified claims, and picks the route
        router_filter(runtime),  # last, as Envoy requires
    ]
