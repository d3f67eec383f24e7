"""What the work queue's keys name."""

from dataclasses import dataclass
from enum import Enum


class KeyKind(Enum):
    """Whose world a key names."""

    TENANT = "tenant"
    """A Tenant with all its namespaces."""
    NAMESPACE = "namespace"
    """A namespace that perhaps no tenant claims."""
    SHARED = "shared"
    """A resource that several tenants use."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key; `of` is the resource's kind with SHARED."""

    kind: KeyKind
    name: str
    of: str = ""

    def __str__(self) -> str:
        parts = (self.kind.value, self.of, self.name) if self.of else (self.kind.value, self.name)
        return "/".join(parts)

    @classmethod
    def parse(cls, text: str) -> "Key":
        """The key that `str` wrote; ValueError for anything else."""
        head, _, rest = text.partition("/")
        kind = KeyKind(head)
        if kind is KeyKind.SHARED:
            of, _, name = rest.partition("/")
            return cls(kind, name, of=of)
        return cls(kind, rest)


def tenant_key(name: str) -> str:
    """The key of a Tenant."""
    return str(Key(KeyKind.TENANT, name))


def namespace_key(name: str) -> str:
    """The key of a namespace."""
    return str(Key(KeyKind.NAMESPACE, name))
