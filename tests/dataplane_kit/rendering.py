"""Snapshots as text to read, and as a static config that Envoy validates by itself."""

import json
from typing import Any

import yaml
from google.protobuf import json_format

from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_sidecar.xds.scripts import request_script
from bailiwick_sidecar.xds.snapshot import Kind, Snapshot

FILES = {
    Kind.LISTENER: "listeners",
    Kind.ROUTES: "routes",
    Kind.CLUSTER: "clusters",
    Kind.EXTENSION: "extensions",
}


def config_of(text: str) -> TenantConfig:
    """A config written as YAML; an unknown field is an error."""
    return json_format.ParseDict(yaml.safe_load(text), TenantConfig())


def resources(snapshot: Snapshot, kind: Kind) -> list[dict[str, Any]]:
    """Resources of a kind as plain data."""
    packed = snapshot.resources[kind]
    return [packed[name].to_dict() for name in sorted(packed)]


def rendered(snapshot: Snapshot, kind: Kind) -> str:
    """Resources of a kind as YAML; scripts stand by name and constants."""
    return yaml.safe_dump(_short(resources(snapshot, kind)), sort_keys=True, allow_unicode=True)


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _short(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_short(one) for one in value]
    if isinstance(value, str) and value == request_script():
        return "<json, answers, request, response>"
    if isinstance(value, str) and "local CODE = " in value:
        constants = [line for line in value.split("\n") if line.startswith("local CODE")]
        start = value.index("local CODE")
        return ["<unhex>", *value[start:].split("\n")[:3], "<json, answers, leaf>"][
            : 5 if constants else 0
        ]
    return value


def static_config(snapshot: Snapshot) -> str:
    """The same resources in a bootstrap, routes and extensions where the listener names them."""
    listeners = resources(snapshot, Kind.LISTENER)
    (routes,) = resources(snapshot, Kind.ROUTES)
    routes.pop("@type", None)
    extensions = {one["name"]: one["typedConfig"] for one in resources(snapshot, Kind.EXTENSION)}
    for listener in listeners:
        listener.pop("@type", None)
        for chain in listener["filterChains"]:
            manager = chain["filters"][0]["typedConfig"]
            del manager["rds"]
            manager["routeConfig"] = routes
            for one in manager["httpFilters"]:
                if one.pop("configDiscovery", None):
                    one["typedConfig"] = extensions[one["name"]]
    clusters = resources(snapshot, Kind.CLUSTER)
    for cluster in clusters:
        cluster.pop("@type", None)
    return json.dumps({"staticResources": {"listeners": listeners, "clusters": clusters}})
