"""What resources are called when somebody speaks of them, and which of them can be read at all."""

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from bailiwick_operator.api.v1alpha1 import Resource
from bailiwick_operator.compile.findings import Ref, Report, Reports
from bailiwick_operator.conditions import Reason

CLUSTER_SCOPED = frozenset({"Tenant", "ClusterModelProvider", "PriceBook"})

AnyResource = TypeVar("AnyResource", bound=Resource)


def ref(resource: Resource) -> Ref:
    """Kind, namespace (empty where cluster-scoped) and name."""
    kind = type(resource).__name__
    namespace = "" if kind in CLUSTER_SCOPED else resource.metadata.namespace
    return Ref(kind, namespace, resource.metadata.name)


def report(reports: Reports, resource: Resource) -> Report:
    """The resource's report."""
    return reports.of(ref(resource), resource.metadata.generation)


def readable(resources: Iterable[AnyResource], reports: Reports) -> list[AnyResource]:
    """The resources sorted by name, without those that hold what no UTF-8 can carry."""
    ordered = sorted(resources, key=lambda resource: resource.metadata.name)
    return [resource for resource in ordered if is_readable(resource, report(reports, resource))]


def is_readable(resource: Resource, out: Report) -> bool:
    """True where every text can be written as UTF-8; else the resource is refused."""
    try:
        msgspec.json.encode(resource)
    except UnicodeEncodeError:
        out.refuse(
            "spec",
            Reason.INVALID,
            "a text has half of a surrogate pair, which is no character",
            cure="remove escapes between \\ud800 and \\udfff",
        )
        return False
    return True
