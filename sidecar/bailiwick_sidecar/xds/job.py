"""What goes to the process that translates, and what comes back: MessagePack both ways. Pure."""

import msgspec

from bailiwick_sidecar.xds.runtime import Runtime
from bailiwick_sidecar.xds.snapshot import Kind, References, Resource, Snapshot


class Job(msgspec.Struct, frozen=True):
    """A translation to do."""

    config: bytes
    """A TenantConfig."""
    runtime: Runtime


class Result(msgspec.Struct, frozen=True):
    """What became of it: resources, or why there are none."""

    resources: dict[str, dict[str, bytes]] = {}
    """By type URL and name."""
    references: References = References(frozenset(), frozenset(), frozenset())
    refusal: str = ""


def result_of(snapshot: Snapshot) -> Result:
    """The snapshot as it travels."""
    return Result(
        resources={
            kind.value: {name: one.value for name, one in named.items()}
            for kind, named in snapshot.resources.items()
        },
        references=snapshot.references,
    )


def snapshot_of(result: Result) -> Snapshot:
    """The snapshot that travelled."""
    return Snapshot(
        resources={
            Kind(kind): {name: Resource(kind, value) for name, value in named.items()}
            for kind, named in result.resources.items()
        },
        references=result.references,
    )
