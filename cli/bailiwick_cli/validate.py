"""`bailiwick validate`: what the cluster would say of files, without one."""

from collections.abc import Sequence
from pathlib import Path

from bailiwick_cli.console import out
from bailiwick_cli.errors import FAILED
from bailiwick_cli.problems import as_json, show, summary
from bailiwick_cli.resources import Checked
from bailiwick_cli.resources import check as check_files
from bailiwick_operator.api.findings import Violation


def check(paths: Sequence[Path], *, as_json_text: bool) -> int:
    """Print what was found; 0 where every resource is valid, else 1."""
    checked = _with_nothing_found(check_files(paths), paths)
    console = out()
    if as_json_text:
        console.out(as_json(checked), highlight=False)
    else:
        show(checked, console=console)
        console.print(summary(checked))
    return FAILED if checked.violations else 0


def _with_nothing_found(checked: Checked, paths: Sequence[Path]) -> Checked:
    if checked.resources or checked.violations:
        return checked
    nothing = Violation(
        file=", ".join(str(path) for path in paths),
        line=None,
        resource="",
        path="",
        message="no resource of bailiwick.dev is here",
        cure="name a file or folder that has one, with the ending .yaml or .yml",
    )
    return Checked(
        resources=0,
        configs={},
        violations=(nothing,),
        warnings=checked.warnings,
        ignored=checked.ignored,
    )
