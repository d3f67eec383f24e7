"""The cluster's resources as a file, so that what reads files reads a cluster."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from bailiwick_cli.errors import CommandError
from bailiwick_cli.kubectl import Kubectl, resources

PLATFORM: Final = "tenants,clustermodelproviders,pricebooks"
TENANT_TEAMS: Final = "modelroutes,modelquotas,modelproviders"
GROUP: Final = ".bailiwick.dev"


def kinds(names: str) -> str:
    """The kinds with their group, since ResourceQuotas and others have short names like ours."""
    return ",".join(f"{name}{GROUP}" for name in names.split(","))


def chosen(tenants: Sequence[Mapping[str, Any]], name: str | None) -> list[Mapping[str, Any]]:
    """The Tenant of that name; all of them where no name is given.

    Raises:
        CommandError: there is no such tenant.
    """
    known = {str(one["metadata"]["name"]): one for one in tenants}
    if name is None:
        return list(tenants)
    if name not in known:
        raise CommandError(
            f"there is no tenant {name!r} (there are: {', '.join(sorted(known)) or 'none'})"
        )
    return [known[name]]


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
