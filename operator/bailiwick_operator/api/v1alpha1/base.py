"""What every resource is made of: strict structs, rules, metadata, conditions."""

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, ClassVar

from msgspec import Meta, Struct

GROUP = "bailiwick.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

BY_NAME: dict[str, Any] = {
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
}
"""A list of named things: a name occurs once, and server-side apply merges by it."""
AS_SET: dict[str, Any] = {"x-kubernetes-list-type": "set"}
"""A list in which a value occurs once."""

ATOMIC: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}
"""A list that is replaced as a whole. For lists whose absence means more than none: of a set,
server-side apply makes an empty list an absent one, and "nobody" would become "everybody"."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A CEL rule of the schema (`x-kubernetes-validations`), and how to satisfy it.

    `message` is what the API server says; `cure` is added by the offline validator.
    `field` is the path below the object that the rule belongs to, such as ".spec.tier".
    """

    cel: str
    message: str
    cure: str
    field: str = ""


class Model(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel", gc=False
):
    """A strict, frozen part of a resource: an unknown field is an error.

    What a resource is read into is a tree: the garbage collector need not look for cycles.
    """

    RULES: ClassVar[tuple[Rule, ...]] = ()


ONCE = Rule(
    cel="self.all(a, self.exists_one(b, a == b))",
    message="a value occurs twice in this list",
    cure="keep one of them",
)
"""For atomic lists of values."""

LABEL_NAME = Rule(
    cel=(
        "self.metadata.name.size() <= 63"
        " && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')"
    ),
    message="metadata.name must be a DNS label: at most 63 of a-z, 0-9 and '-'",
    cure="choose a name without dots: references, labels and paths are made of it",
    field=".metadata.name",
)
"""For kinds whose name others refer to."""


class ObjectMeta(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """Metadata as far as this project reads it; the API server sets the rest."""

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    creation_timestamp: str = ""
    deletion_timestamp: str = ""
    resource_version: str = ""


class ConditionStatus(Enum):
    """Status of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Model, frozen=True, kw_only=True):
    """One aspect of the current state (KEP-1623, metav1.Condition)."""

    type: Annotated[
        str,
        Meta(
            description="What the condition is about: Accepted, Programmed, Degraded.",
            max_length=316,
            pattern=r"^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$",
        ),
    ]
    status: Annotated[ConditionStatus, Meta(description="True, False or Unknown.")]
    observed_generation: Annotated[
        int, Meta(description="Generation of the resource that this speaks of.", ge=0)
    ] = 0
    last_transition_time: Annotated[
        str,
        Meta(
            description="When the status last changed.",
            extra_json_schema={"format": "date-time"},
        ),
    ]
    reason: Annotated[
        str,
        Meta(
            description="One CamelCase word for programs.",
            min_length=1,
            max_length=1024,
            pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
        ),
    ]
    message: Annotated[str, Meta(description="A sentence for people.", max_length=32768)]


Conditions = Annotated[
    tuple[Condition, ...],
    Meta(
        description="Accepted, Programmed and Degraded, each with its reason.",
        max_length=16,
        extra_json_schema={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
    ),
]


class Status(Model, frozen=True, kw_only=True):
    """Status of a resource that has conditions and nothing else."""

    observed_generation: Annotated[
        int, Meta(description="Generation of the resource that this status speaks of.", ge=0)
    ] = 0
    conditions: Conditions = ()
