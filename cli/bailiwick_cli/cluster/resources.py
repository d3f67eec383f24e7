"""The cluster's resources as a file, so that what reads files reads a cluster."""

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from bailiwick_cli.cluster.kubectl import Kubectl

PLATFORM: Final = "tenants,clustermodelproviders,pricebooks"
TENANT_TEAMS: Final = "modelroutes,modelquotas,modelproviders"
GROUP: Final = ".bailiwick.dev"


def kinds(names: str) -> str:
    """The kinds with their group, since ResourceQuotas and others have short names like ours."""
    return ",".join(f"{name}{GROUP}" for name in names.split(","))


@contextlib.contextmanager
def written(kubectl: Kubectl) -> Iterator[Path]:
    """A file with every resource of the cluster as it was applied, while the block runs.

    Raises:
        KubectlError: they can't be read; the message has kubectl's words.
    """
    found = kubectl.items(kinds(PLATFORM)) + kubectl.items(kinds(TENANT_TEAMS), "--all-namespaces")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cluster.yaml"
        document = {"apiVersion": "v1", "kind": "List", "items": [_applied(one) for one in found]}
        file.write_text(json.dumps(document))
        yield file


def _applied(body: dict[str, Any]) -> dict[str, Any]:
    """Without what the API server and the operator added."""
    kept = ("name", "namespace", "creationTimestamp")
    metadata = {key: body["metadata"][key] for key in kept if key in body["metadata"]}
    bare = {key: value for key, value in body.items() if key != "status"}
    return {**bare, "metadata": metadata}
