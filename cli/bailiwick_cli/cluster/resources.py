"""The cluster's resources as a file, so that what reads files reads a cluster."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bailiwick_cli.kubectl import Kubectl, resources

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
    with TemporaryDirectory() as folder:
        file = Path(folder) / "cluster.yaml"
        document = {"apiVersion": "v1", "kind": "List", "items": resources(kubectl)}
        file.write_text(json.dumps(document), encoding="utf-8")
        yield file
