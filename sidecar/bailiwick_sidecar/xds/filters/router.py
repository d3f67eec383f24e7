"""The router: sends attempts and writes a record at the end of each."""

from envoy_data_plane.envoy.extensions.filters.http.router.v3 import Router
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import HttpFilter

from bailiwick_sidecar.xds.accesslog import attempt_log
from bailiwick_sidecar.xds.messages import packed
from bailiwick_sidecar.xds.runtime import Runtime


def router_filter(runtime: Runtime) -> HttpFilter:
    """The last filter of the chain."""
    router = Router(suppress_envoy_headers=True, upstream_log=[attempt_log(runtime)])
    return HttpFilter(name="envoy.filters.http.router", typed_config=packed(router))
