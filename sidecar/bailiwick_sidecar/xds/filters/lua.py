"""Lua filters: the listener's, and one in each backend's upstream chain."""

from envoy_data_plane.envoy.extensions.filters.http.lua.v3 import Lua
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import HttpFilter

from bailiwick_sidecar.xds.messages import inline, packed
from bailiwick_sidecar.xds.scripts import leaf_script, request_script

_NAME = "envoy.filters.http.lua"


def request_filter() -> HttpFilter:
    """Admits calls and finds usage."""
    return HttpFilter(
        name=_NAME, typed_config=packed(Lua(default_source_code=inline(request_script())))
    )


def leaf_filter(*, code: str, endpoint: str, authority: str, path: str) -> HttpFilter:
    """Prepares one attempt at one backend."""
    source = leaf_script(code=code, endpoint=endpoint, authority=authority, path=path)
    return HttpFilter(name=_NAME, typed_config=packed(Lua(default_source_code=inline(source))))
