"""How what is wrong with files is shown: to people, and to programs."""

import json
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from bailiwick_cli.resources import Checked
from bailiwick_operator.api.findings import Violation


def show(checked: Checked, *, console: Console) -> None:
    """Every violation, then every warning, each with file, resource, field, message and cure."""
    for violation in checked.violations:
        _one(violation, console=console, kind="error", style="bold red")
    for warning in checked.warnings:
        _one(warning, console=console, kind="warning", style="bold yellow")
    for note in checked.ignored:
        text = Text.assemble(("note: ", "bold"), f"{note.file}:{note.line}: {note.message}")
        console.print(text)


def _one(violation: Violation, *, console: Console, kind: str, style: str) -> None:
    where = violation.file if violation.line is None else f"{violation.file}:{violation.line}"
    about = " · ".join(part for part in (violation.resource, violation.path) if part)
    text = Text.assemble((f"{kind}: ", style), violation.message)
    place = "  ".join(part for part in (where, about) if part)
    if place:
        text.append(f"\n   at: {place}", style="default")
    text.append(f"\n  fix: {violation.cure}", style="default")
    console.print(text)


def as_json(checked: Checked) -> str:
    """One object: how many resources, and lists of errors, warnings and notes."""
    return json.dumps(
        {
            "valid": not checked.violations,
            "resources": checked.resources,
            "errors": [_fields(one) for one in checked.violations],
            "warnings": [_fields(one) for one in checked.warnings],
            "notes": [
                {"file": note.file, "line": note.line, "message": note.message}
                for note in checked.ignored
            ],
        },
        indent=2,
        ensure_ascii=False,
    )


def _fields(violation: Violation) -> dict[str, str | int | None]:
    return {
        "file": violation.file,
        "line": violation.line,
        "resource": violation.resource,
        "path": violation.path,
        "message": violation.message,
        "cure": violation.cure,
    }


def counted(number: int, noun: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def summary(checked: Checked) -> str:
    """The closing line for people."""
    found: Sequence[str] = [
        counted(len(checked.violations), "error"),
        counted(len(checked.warnings), "warning"),
    ]
    if checked.violations:
        return f"{found[0]}, {found[1]}"
    verb = "is" if checked.resources == 1 else "are"
    warned = f" ({found[1]})" if checked.warnings else ""
    return f"{counted(checked.resources, 'resource')} {verb} valid{warned}"
