"""One self-consistent set of Envoy resources."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import Protocol

from bailiwick_contract.errors import BailiwickError


class Kind(Enum):
    """Resource types; the value is the type URL."""

    CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
    LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
    ROUTES = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
    EXTENSION = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"


class Packed(Protocol):
    """A message of Envoy's with its type, as `google.protobuf.Any` has it."""

    @property
    def type_url(self) -> str:
        """Which message it is."""
        ...

    @property
    def value(self) -> bytes:
        """The message itself."""
        ...


class InconsistentSnapshotError(BailiwickError):
    """A resource names another one that is not there: a fault of the translation."""


@dataclass(frozen=True, slots=True)
class References:
    """Names that resources of a snapshot use."""

    clusters: frozenset[str]
    routes: frozenset[str]
    extensions: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """Resources by kind and name, packed; equal content has the equal version."""

    resources: Mapping[Kind, Mapping[str, Packed]]
    references: References

    def names(self, kind: Kind) -> frozenset[str]:
        """Names of the resources of a kind."""
        return frozenset(self.resources.get(kind, {}))

    def version(self, kind: Kind) -> str:
        """Version of one kind's resources: a digest, so that it changes with them alone."""
        return digest(self.resources.get(kind, {}))

    def consistent(self) -> None:
        """Return where every name resolves and nothing is there that nobody names.

        Raises:
            InconsistentSnapshotError: it does not.
        """
        for kind, used, free in (
            (Kind.CLUSTER, self.references.clusters, True),
            (Kind.ROUTES, self.references.routes, False),
            (Kind.EXTENSION, self.references.extensions, False),
        ):
            missing = used - self.names(kind)
            unused = frozenset() if free else self.names(kind) - used
            if missing or unused:
                raise InconsistentSnapshotError(
                    f"{kind.name.lower()}: missing {sorted(missing)}, unused {sorted(unused)}"
                )


def digest(resources: Mapping[str, Packed]) -> str:
    """Version of a set of resources."""
    total = sha256()
    for name in sorted(resources):
        body = resources[name].value
        total.update(f"{len(name)}:{name}:{len(body)}:".encode())
        total.update(body)
    return total.hexdigest()[:16]
