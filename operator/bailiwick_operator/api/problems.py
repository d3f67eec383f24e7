"""Schema errors in words: every one of a document, each with its path and its cure."""

import difflib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, ValidationError, validators

from bailiwick_operator.api.findings import Steps
from bailiwick_operator.api.schema import Schema
from bailiwick_operator.api.v1alpha1.scalars import FORMS

Written = Callable[[Steps], str | None]

UNKNOWN = "additionalProperties"
"""The keyword of an unknown field: the rest of its object can be judged all the same."""

REFUSED = "x-refused-fields"
"""Keyword of offline schemas: fields that are refused, and why."""

REFUSED_FIELDS = {
    ("ModelProvider", "tier"): "its tier is Tenant.spec.ownProviders.tier: remove it",
    ("ModelProvider", "region"): "its region is that of its host in Tenant.spec.ownProviders.hosts:"
    " remove it",
    ("ModelProvider", "price"): "prices are the platform's: remove it, or ask for a PriceBook",
    ("ModelProvider", "currency"): "prices are the platform's: remove it",
    ("ModelRoute", "match"): "a route is chosen by its aliases: list them in spec.aliases",
}
"""Fields that people look for and that do not exist, and why."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One schema error."""

    steps: Steps
    keyword: str
    message: str
    cure: str


def problems(schema: Schema, data: Any, *, kind: str, written: Written) -> list[Problem]:
    """Every way in which data breaks a structural schema.

    `written` gives a scalar as the file has it, so that a word that YAML turned into a boolean or
    a number is recognised.
    """
    validator = _validator_class()(schema)
    found = [_problem(error, kind=kind, written=written) for error in validator.iter_errors(data)]
    misshapen = {one.steps for one in found if one.keyword in {"pattern", "format"}}
    # That it is also too short says nothing more.
    return [one for one in found if one.keyword != "minLength" or one.steps not in misshapen]


@cache
def _validator_class() -> Any:
    return validators.extend(  # type: ignore[no-untyped-call]  # its stubs leave it untyped
        Draft202012Validator,
        {
            "additionalProperties": _unknown_fields,
            "properties": _properties,
            "required": _required,
            "pattern": _pattern,
            "format": _format,
            "x-kubernetes-list-type": _list_type,
        },
    )


def _properties(validator: Any, properties: Any, value: Any, schema: Any) -> Iterator[Any]:
    if not isinstance(value, dict):
        return
    yield from _unknown_fields(validator, None, value, schema)
    for name, below in properties.items():
        if name in value:
            yield from validator.descend(value[name], below, path=name, schema_path=name)


def _unknown_fields(_validator: Any, _: Any, value: Any, schema: Any) -> Iterator[Any]:
    if not isinstance(value, dict) or "x-kubernetes-preserve-unknown-fields" in schema:
        return
    known = schema.get("properties")
    for name in value:
        if known is not None and name not in known:
            yield ValidationError("", validator=UNKNOWN, path=(name,), instance=name, schema=schema)


def _required(_validator: Any, names: Any, value: Any, schema: Any) -> Iterator[Any]:
    for name in names if isinstance(value, dict) else ():
        if name not in value:
            below = schema.get("properties", {}).get(name, {})
            yield ValidationError("", validator="required", path=(name,), schema=below)


def _pattern(_validator: Any, pattern: str, value: Any, schema: Any) -> Iterator[Any]:
    # Go's `$` is the end of the text; Python's would also let a last newline pass.
    exact = pattern.removesuffix("$") + r"\Z" if pattern.endswith("$") else pattern
    if isinstance(value, str) and not re.search(exact, value):
        yield ValidationError("", validator="pattern", instance=value, schema=schema)


_RFC3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)


def _format(_validator: Any, name: str, value: Any, schema: Any) -> Iterator[Any]:
    if name == "date-time" and isinstance(value, str) and not is_timestamp(value):
        yield ValidationError("", validator="format", instance=value, schema=schema)


def is_timestamp(text: str) -> bool:
    """True for a date and time that exist, as RFC 3339 writes them."""
    if not _RFC3339.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text.upper())
    except ValueError:
        return False
    return True


def _list_type(_validator: Any, kind: str, value: Any, schema: Any) -> Iterator[Any]:
    if not isinstance(value, list) or kind not in {"map", "set"}:
        return
    keys = schema.get("x-kubernetes-list-map-keys", ())
    seen: list[Any] = []
    for position, member in enumerate(value):
        if kind == "map":
            if not isinstance(member, dict) or any(key not in member for key in keys):
                continue
            identity: Any = [member[key] for key in keys]
            path: Steps = (position, *keys[:1])
        else:
            identity, path = [type(member).__name__, member], (position,)
        if identity in seen:
            yield ValidationError(
                "", validator="x-kubernetes-list-type", path=path, instance=identity[-1]
            )
        seen.append(identity)


def _problem(error: ValidationError, *, kind: str, written: Written) -> Problem:
    steps: Steps = tuple(error.absolute_path)
    keyword = str(error.validator)
    schema = error.schema if isinstance(error.schema, dict) else {}
    text = _WORDS.get(keyword)
    if text is not None:
        message, cure = text(error.instance, schema)
    elif keyword == UNKNOWN:
        message, cure = _unknown(str(error.instance), schema, kind=kind)
    elif keyword == "type":
        message, cure = _type(error.instance, schema, written=written(steps))
    else:
        message, cure = error.message, _purpose(schema)
    return Problem(steps, keyword, message, cure)


def closest(word: str, among: list[str]) -> str | None:
    """The one of these words that was probably meant."""
    folded = {name.lower(): name for name in among}
    found = difflib.get_close_matches(word.lower(), list(folded), n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def _unknown(name: str, schema: Schema, *, kind: str) -> tuple[str, str]:
    message = f"unknown field {name!r}"
    known = sorted(schema.get("properties", ()))
    if cure := REFUSED_FIELDS.get((kind, name)) or schema.get(REFUSED, {}).get(name):
        return message, cure
    if meant := closest(name, known):
        return message, f"did you mean {meant!r}?"
    return message, f"remove it; known here: {', '.join(known)}"


def _type(value: Any, schema: Schema, *, written: str | None) -> tuple[str, str]:
    wanted = str(schema.get("type"))
    message = f"expected {_ARTICLE.get(wanted, wanted)}, found {_described(value)}"
    if value is None:
        return message, "give it a value, or remove the key"
    if wanted == "string" and written is not None:
        if isinstance(value, bool) and written.lower() not in {"true", "false"}:
            return (
                f"{message}: YAML reads {written} as a boolean",
                f'quote it: "{written}"',
            )
        return message, f'quote it: "{written}"'
    if wanted == "integer" and isinstance(value, str):
        return message, f"write a whole number without quotes. {_purpose(schema)}"
    return message, _purpose(schema)


def _described(value: Any) -> str:
    match value:
        case None:
            return "nothing (null)"
        case bool():
            return f"the boolean {str(value).lower()}"
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the string {_short(value)}"
        case list():
            return "a list"
        case _:
            return "a mapping"


_ARTICLE = {
    "string": "a string",
    "integer": "a whole number",
    "boolean": "a boolean",
    "array": "a list",
    "object": "a mapping",
}


def _short(value: Any) -> str:
    text = str(value)
    return repr(text if len(text) <= 64 else text[:61] + "…")  # noqa: PLR2004 - a line's worth


def _purpose(schema: Schema) -> str:
    return str(schema.get("description", "see the page of this resource in docs/resources"))


def _enum(value: Any, schema: Schema) -> tuple[str, str]:
    allowed = [str(one) for one in schema["enum"]]
    meant = closest(str(value), allowed)
    cure = f"did you mean {meant}?" if meant else _purpose(schema)
    return f"{_short(value)} is not one of {', '.join(allowed)}", cure


def _form(value: Any, schema: Schema) -> tuple[str, str]:
    pattern = str(schema["pattern"])
    return f"{_short(value)} has not the form of this field", FORMS.get(
        pattern, f"{_purpose(schema)} It must match {pattern}"
    )


def _bound(word: str, key: str, unit: str = "") -> Callable[[Any, Schema], tuple[str, str]]:
    def words(value: Any, schema: Schema) -> tuple[str, str]:
        found = len(value) if isinstance(value, (str, list)) else value
        return f"{found}{unit} is {word} {schema[key]}{unit}", _purpose(schema)

    return words


_WORDS: dict[str, Callable[[Any, Schema], tuple[str, str]]] = {
    "required": lambda _, schema: ("it is missing", _purpose(schema)),
    "enum": _enum,
    "pattern": _form,
    "format": lambda value, _: (
        f"{_short(value)} is no RFC 3339 timestamp",
        'write it like "2026-08-01T00:00:00Z", in quotes',
    ),
    "minimum": _bound("below the minimum", "minimum"),
    "maximum": _bound("above the maximum", "maximum"),
    "minLength": _bound("shorter than", "minLength", " characters"),
    "maxLength": _bound("longer than", "maxLength", " characters"),
    "minItems": _bound("fewer than", "minItems", " entries"),
    "maxItems": _bound("more than", "maxItems", " entries"),
    "x-kubernetes-list-type": lambda value, _: (
        f"{_short(value)} occurs twice in this list",
        "keep one of them, or give it another name",
    ),
}
