"""From files to typed resources: every violation at once, and only what is sound goes on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from bailiwick_operator.api.cel import broken_rules
from bailiwick_operator.api.documents import Document, files_below, read
from bailiwick_operator.api.findings import Note, Source, Steps, Violation, steps_of
from bailiwick_operator.api.kinds import KINDS, Kind
from bailiwick_operator.api.metadata import metadata_schema
from bailiwick_operator.api.problems import UNKNOWN, problems
from bailiwick_operator.api.recognition import recognised, violation
from bailiwick_operator.api.rules import is_time_zone
from bailiwick_operator.api.schema import Schema, resource_schema, rules_by_message
from bailiwick_operator.api.v1alpha1 import (
    ClusterModelProvider,
    ModelProvider,
    ModelRoute,
    PriceBook,
    Quota,
    Resource,
    Tenant,
)

R = TypeVar("R", bound=Resource)

Key = tuple[str, str, str]
"""Kind, namespace (empty for cluster-scoped kinds) and name."""


@dataclass(frozen=True, slots=True)
class Resources:
    """Sound resources by kind, in the order of the files, and where each is written.

    `unsound` are those that are written and have a violation: they exist, though nobody should
    use them. `complete` is False where something could not be read at all, so that there may be
    more. Without regard to both, whatever refers to them seems to refer to nothing.
    """

    tenants: tuple[Tenant, ...] = ()
    cluster_model_providers: tuple[ClusterModelProvider, ...] = ()
    model_providers: tuple[ModelProvider, ...] = ()
    model_routes: tuple[ModelRoute, ...] = ()
    quotas: tuple[Quota, ...] = ()
    price_books: tuple[PriceBook, ...] = ()
    sources: dict[Key, Source] = field(default_factory=dict)
    unsound: frozenset[Key] = frozenset()
    complete: bool = True
    documents: dict[Key, Document] = field(default_factory=dict, repr=False, compare=False)

    def locate(self, key: Key, path: str) -> Source | None:
        """Where a field such as "spec.backends[1].weight" of a resource is written."""
        document = self.documents.get(key)
        if document is None:
            return None
        return Source(document.file, document.line(steps_of(path)))


@dataclass(frozen=True, slots=True)
class Loaded:
    """What files hold: sound resources, everything that is wrong, and what was left alone."""

    resources: Resources
    violations: tuple[Violation, ...]
    notes: tuple[Note, ...] = ()


def load(paths: Sequence[Path]) -> Loaded:
    """Read files and directories (recursively, *.yaml and *.yml) and validate what they hold.

    A resource with a violation is not among the resources; nothing is raised for what files say.
    """
    violations: list[Violation] = []
    documents: list[Document] = []
    for file in files_below(paths):
        for found in [file] if isinstance(file, Violation) else read(file):
            if isinstance(found, Violation):
                violations.append(found)
            else:
                documents.extend(found.items())
    return validate(documents, violations=violations)


def validate(documents: Sequence[Document], *, violations: Sequence[Violation] = ()) -> Loaded:
    """Validate documents together: each by itself, and that none is there twice."""
    wrong = list(violations)
    notes: list[Note] = []
    sound: dict[Key, Resource] = {}
    written: dict[Key, Document] = {}
    unsound: set[Key] = set()
    complete = not wrong
    for document in documents:
        kind = recognised(document)
        if isinstance(kind, Note):
            notes.append(kind)
            continue
        if isinstance(kind, Violation):
            wrong.append(kind)
            complete = False
            continue
        found = check(document, kind)
        key = _key(document.data, kind)
        if key in written:
            first = written[key].source
            found.append(
                violation(
                    document,
                    ("metadata", "name"),
                    f"the same resource is already in {first.file}:{first.line}",
                    "keep one of them, or rename one",
                )
            )
        else:
            written[key] = document
        if not found:
            resource = _typed(document, kind)
            if isinstance(resource, Violation):
                found.append(resource)
            else:
                sound[key] = resource
        if found:
            unsound.add(key)
        wrong.extend(found)
    resources = _resources(
        sound, written=written, unsound=frozenset(unsound - sound.keys()), complete=complete
    )
    return Loaded(resources, tuple(wrong), tuple(notes))


def check(document: Document, kind: Kind, *, old: Any = None) -> list[Violation]:
    """Every violation of one document of a known kind, in the order of the file's lines.

    `old` is the same resource before a change; with it, rules about changes are judged too.
    """
    schema = _schema(kind.name)
    found = problems(schema, document.data, kind=kind.name, written=document.written)
    violations = [violation(document, one.steps, one.message, one.cure) for one in found]
    unsound = [one.steps for one in found if one.keyword != UNKNOWN]
    rules = rules_by_message()

    def judged(steps: Steps) -> bool:
        return not any(bad[: len(steps)] == steps for bad in unsound)

    for broken in broken_rules(schema, document.data, old=old, judged=judged):
        rule = rules[broken.message]
        blamed = tuple(part for part in rule.field.split(".") if part)
        violations.append(violation(document, broken.steps + blamed, rule.message, rule.cure))
    violations += _beyond_schema(document, kind)
    unique = dict.fromkeys(violations)
    return sorted(unique, key=lambda one: (one.line or 0, one.path))


def _beyond_schema(document: Document, kind: Kind) -> Iterator[Violation]:
    if kind.model is not Tenant or not isinstance(spec := document.data.get("spec"), dict):
        return
    zone = spec.get("timeZone")
    if isinstance(zone, str) and not is_time_zone(zone):
        message = "timeZone must be an IANA zone such as Europe/Berlin"
        cure = rules_by_message()[message].cure
        yield violation(document, ("spec", "timeZone"), message, cure)


@cache
def _schema(kind: str) -> Schema:
    schema = resource_schema(KINDS[kind].model)
    properties = {**schema["properties"], "metadata": metadata_schema(KINDS[kind])}
    return {**schema, "required": ["metadata", "spec"], "properties": properties}


def _key(data: Any, kind: Kind) -> Key:
    metadata = data.get("metadata")
    named = metadata if isinstance(metadata, dict) else {}
    namespace = str(named.get("namespace", "")) if kind.namespaced else ""
    return kind.name, namespace, str(named.get("name", ""))


def _typed(document: Document, kind: Kind) -> Resource | Violation:
    try:
        return msgspec.convert(document.data, kind.model)
    except msgspec.ValidationError as error:
        return violation(
            document, (), str(error), "compare it with the page of this resource in docs/resources"
        )


def _every(model: type[R], sound: dict[Key, Resource]) -> tuple[R, ...]:
    return tuple(one for one in sound.values() if isinstance(one, model))


def _resources(
    sound: dict[Key, Resource],
    *,
    written: dict[Key, Document],
    unsound: frozenset[Key],
    complete: bool,
) -> Resources:
    return Resources(
        tenants=_every(Tenant, sound),
        cluster_model_providers=_every(ClusterModelProvider, sound),
        model_providers=_every(ModelProvider, sound),
        model_routes=_every(ModelRoute, sound),
        quotas=_every(Quota, sound),
        price_books=_every(PriceBook, sound),
        sources={key: written[key].source for key in sound},
        unsound=unsound,
        complete=complete,
        documents={key: written[key] for key in sound},
    )
