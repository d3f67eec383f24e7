"""Manifests put to a real API server, as `kubectl apply --server-side` does."""

import time
import urllib.error
from typing import Any

from cluster.control_plane import ControlPlane


def apply(plane: ControlPlane, manifest: dict[str, Any]) -> dict[str, Any]:
    """What the server stored; raises with its words where it refuses."""
    group, kind = manifest["apiVersion"], manifest["kind"]
    root = f"/api/{group}" if group == "v1" else f"/apis/{group}"
    resource = next(
        one
        for one in plane.request("GET", root)["resources"]
        if one["kind"] == kind and "/" not in one["name"]
    )
    name, namespace = manifest["metadata"]["name"], manifest["metadata"].get("namespace")
    within = f"/namespaces/{namespace}" if resource["namespaced"] else ""
    path = f"{root}{within}/{resource['name']}/{name}"
    try:
        stored: dict[str, Any] = plane.apply(manifest, path)
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{kind} {name}: {error.read().decode()}") from error
    return stored


def until_served(plane: ControlPlane, group: str, seconds: float = 60) -> None:
    """Return once this API group has resources."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if plane.request("GET", f"/apis/{group}")["resources"]:
                return
        except urllib.error.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{group} was not served after {seconds} s")


def may(plane: ControlPlane, user: str, verb: str, resource: str, namespace: str = "") -> bool:
    """Whether the API server lets this user do that."""
    group, _, plain = resource.rpartition("/")
    answer = plane.request(
        "POST",
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": user,
                "resourceAttributes": {
                    "verb": verb,
                    "group": group,
                    "resource": plain,
                    "namespace": namespace,
                },
            },
        },
    )
    allowed: bool = answer["status"]["allowed"]
    return allowed
