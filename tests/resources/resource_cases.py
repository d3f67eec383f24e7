"""Cases of this folder: rules and mistakes as files; a new case is a new file."""

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bailiwick_operator.api.documents import Document, parse
from bailiwick_operator.api.kinds import KINDS
from bailiwick_operator.api.validation import Violation, check

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
ACME = ROOT / "examples" / "acme"


@dataclass(frozen=True)
class RuleCase:
    """A resource that breaks one rule, and the edits that satisfy it."""

    name: str
    message: str
    path: str
    resource: Mapping[str, Any]
    old: Mapping[str, Any] | None
    cured: Mapping[str, Any]


@dataclass(frozen=True)
class Mistake:
    """An edit of an example file, and what has to be said about it."""

    name: str
    file: str
    find: str
    replace: str
    expect: Sequence[Mapping[str, Any]]

    def write(self, directory: Path) -> None:
        """Write the example with the mistake in it."""
        for example in ACME.glob("*.yaml"):
            text = example.read_text(encoding="utf-8")
            if example.name == self.file:
                assert text.count(self.find) == 1, f"{self.find!r} must occur once in {self.file}"
                text = text.replace(self.find, self.replace)
            (directory / example.name).write_text(text, encoding="utf-8")


def rule_cases() -> list[RuleCase]:
    """Every file in rules/."""
    cases = []
    for file in sorted((HERE / "rules").glob("*.yaml")):
        raw = yaml.safe_load(file.read_text(encoding="utf-8"))
        cured = copy.deepcopy(raw["resource"])
        for edit in raw["cured"]:
            _edit(cured, edit)
        cases.append(
            RuleCase(
                name=file.stem,
                message=raw["message"],
                path=raw["path"],
                resource=raw["resource"],
                old=raw.get("old"),
                cured=cured,
            )
        )
    return cases


def mistakes() -> list[Mistake]:
    """Every entry of every file in mistakes/."""
    return [
        Mistake(name=f"{file.stem}: {raw['description']}", **raw["edit"], expect=raw["expect"])
        for file in sorted((HERE / "mistakes").glob("*.yaml"))
        for raw in yaml.safe_load(file.read_text(encoding="utf-8"))
    ]


def document(resource: Mapping[str, Any]) -> Document:
    """The resource as if it had been read from a file."""
    (found,) = parse(yaml.safe_dump(dict(resource)), file="case.yaml")
    assert isinstance(found, Document)
    return found


def violations(
    resource: Mapping[str, Any], *, old: Mapping[str, Any] | None = None
) -> list[Violation]:
    """What validation says about one resource."""
    return check(document(resource), KINDS[str(resource["kind"])], old=old)


def _edit(resource: Any, edit: Mapping[str, Any]) -> None:
    """Set the value at a path, or remove it where the edit has none."""
    steps = [int(n) if n else name for name, n in re.findall(r"(\w+)|\[(\d+)\]", edit["path"])]
    for step in steps[:-1]:
        resource = resource[step]
    if "value" in edit:
        resource[steps[-1]] = edit["value"]
    else:
        del resource[steps[-1]]
