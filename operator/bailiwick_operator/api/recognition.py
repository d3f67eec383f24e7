"""Which kind a document is of, if it is one of ours at all."""

from typing import Any

from bailiwick_operator.api.documents import Document
from bailiwick_operator.api.findings import Note, Steps, Violation, dotted
from bailiwick_operator.api.kinds import KINDS, Kind
from bailiwick_operator.api.problems import closest
from bailiwick_operator.api.v1alpha1.base import API_VERSION, GROUP

WRITTEN_BY_OPERATOR = "TenantBinding"


def recognised(document: Document) -> Kind | Violation | Note:
    """The document's kind; a violation where it was meant to be ours; a note where it is not."""
    data = document.data
    if not isinstance(data, dict):
        return violation(
            document, (), "a resource is a mapping", "begin with apiVersion, kind, metadata, spec"
        )
    if (bad := _bad_key(data)) is not None:
        cure = f'quote it: "{bad}", or correct it'
        return violation(document, (), f"the key {bad} is no string", cure)
    version, name = data.get("apiVersion"), data.get("kind")
    if version == API_VERSION:
        return _named(document, name)
    return _foreign(document, version, name)


def violation(document: Document, steps: Steps, message: str, cure: str) -> Violation:
    """A violation at a place of a document, with the line and the resource filled in."""
    return Violation(
        document.file,
        document.line(steps),
        _label(document.data),
        dotted(steps),
        message,
        cure,
    )


def _named(document: Document, name: Any) -> Kind | Violation:
    if name == WRITTEN_BY_OPERATOR:
        return violation(
            document,
            ("kind",),
            "a TenantBinding is written by the operator alone",
            "remove it: name the namespace in Tenant.spec.namespaces",
        )
    if isinstance(name, str) and name in KINDS:
        return KINDS[name]
    known = sorted(set(KINDS) - {WRITTEN_BY_OPERATOR})
    meant = closest(str(name), known)
    return violation(
        document,
        ("kind",),
        "it is missing" if name is None else f"{API_VERSION} has no kind {name!r}",
        f"did you mean {meant}?" if meant else f"write one of {', '.join(known)}",
    )


def _foreign(document: Document, version: Any, name: Any) -> Violation | Note:
    """What to say of another apiVersion: a slip where group or kind look like ours, else a note."""
    group = version.rpartition("/")[0] if isinstance(version, str) else ""
    ours = name in KINDS if isinstance(name, str) else False
    slipped = group == GROUP or (ours and (group == "" or closest(group, [GROUP]) is not None))
    if slipped or (version is None and "spec" in document.data):
        return violation(
            document,
            ("apiVersion",),
            "it is missing" if version is None else f"unknown apiVersion {version!r}",
            f"write apiVersion: {API_VERSION}",
        )
    what = "a document without kind" if name is None else f"{version} {name}"
    return Note(
        document.file,
        document.line(()),
        f"{what} is no resource of {GROUP} and was left alone",
    )


def _bad_key(value: Any) -> str | None:
    """A key somewhere in the value that is no string, as people write it."""
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                return "null" if key is None else str(key).lower()
    members = value.values() if isinstance(value, dict) else value
    if not isinstance(value, (dict, list)):
        return None
    return next((bad for one in members if (bad := _bad_key(one)) is not None), None)


def _label(data: Any) -> str:
    if not isinstance(data, dict) or not data.get("kind"):
        return ""
    metadata = data.get("metadata")
    named = metadata if isinstance(metadata, dict) else {}
    parts = [str(named[key]) for key in ("namespace", "name") if named.get(key)]
    return f"{data['kind']} {'/'.join(parts) or '(no name)'}"
