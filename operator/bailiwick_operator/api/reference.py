"""The generated half of the resources' pages: names, fields, and what is refused.

`python -m bailiwick_operator.api.reference DIR` rewrites it between the markers of each page; the
rest of a page is written by hand.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bailiwick_operator.api.kinds import KINDS, Kind
from bailiwick_operator.api.schema import Schema, resource_schema, rules_by_message
from bailiwick_operator.api.v1alpha1.base import API_VERSION

BEGIN = "<!-- generated from the models: begin -->"
END = "<!-- generated from the models: end -->"


def page_name(kind: Kind) -> str:
    """File name of a kind's page."""
    return f"{kind.name.lower()}.md"


def rewritten(page: str, kind: Kind) -> str:
    """The page with its generated part as the models have it now.

    Raises:
        ValueError: the page lacks the markers.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page of {kind.name} needs the lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{_generated(kind)}\n{END}{after}"


def main(arguments: Sequence[str]) -> int:
    """Rewrite every page in the directory that is the only argument."""
    (directory,) = arguments
    for kind in KINDS.values():
        page = Path(directory) / page_name(kind)
        page.write_text(rewritten(page.read_text(encoding="utf-8"), kind), encoding="utf-8")
    return 0


def _generated(kind: Kind) -> str:
    schema = resource_schema(kind.model)
    sections = [_names(kind), "## Fields\n", _table(schema["properties"]["spec"], "spec")]
    if status := schema["properties"]["status"]:
        sections += ["## Status\n", _table(status, "status")]
    if rules := list(dict.fromkeys(_rules(schema))):
        sections += ["## What is refused\n", _refusals(rules)]
    return "\n".join(sections)


def _names(kind: Kind) -> str:
    singular = kind.singular or kind.name.lower()
    scope = "namespaced" if kind.namespaced else "cluster-scoped"
    return (
        f"`{API_VERSION}`, {scope}; `kubectl get {kind.plural}`, `{singular}` or `{kind.short}`\n"
    )


def _table(schema: Schema, top: str) -> str:
    lines = ["| field | type | meaning |", "|---|---|---|"]
    lines += [
        f"| `{path}`{' *' if required else ''} | {_type(below)} | {_cell(below)} |"
        for path, below, required in _fields(schema, top)
    ]
    return "\n".join(lines) + "\n\n\\* required\n"


def _fields(schema: Schema, path: str) -> Iterator[tuple[str, Schema, bool]]:
    required = schema.get("required", ())
    for name, below in schema.get("properties", {}).items():
        here = f"{path}.{name}"
        yield here, below, name in required
        if below["type"] == "array":
            yield from _fields(below["items"], f"{here}[]")
        else:
            yield from _fields(below, here)


def _type(schema: Schema) -> str:
    if "enum" in schema:
        return " \\| ".join(f"`{one}`" for one in schema["enum"])
    match schema["type"]:
        case "array":
            return f"list of {_type(schema['items'])}{_bounds(schema, 'minItems', 'maxItems')}"
        case "integer":
            return f"integer{_bounds(schema, 'minimum', 'maximum')}"
        case "string" if schema.get("format") == "date-time":
            return "timestamp"
        case other:
            return str(other)


def _bounds(schema: Schema, low: str, high: str) -> str:
    least, most = schema.get(low), schema.get(high)
    match least is not None, most is not None:
        case True, True:
            return f", {least:,} to {most:,}"
        case True, False:
            return f", at least {least:,}"
        case False, True:
            return f", at most {most:,}"
        case _:
            return ""


def _cell(schema: Schema) -> str:
    text: str = schema["description"]
    return text.replace("\n", " ").replace("|", "\\|").replace("<", "&lt;")


def _rules(schema: Any) -> Iterator[str]:
    for rule in schema.get("x-kubernetes-validations", ()):
        yield rule["message"]
    for below in schema.get("properties", {}).values():
        yield from _rules(below)
    if "items" in schema:
        yield from _rules(schema["items"])


def _refusals(messages: Sequence[str]) -> str:
    rules = rules_by_message()
    return "\n".join(f"* {message} — {rules[message].cure}" for message in messages) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
