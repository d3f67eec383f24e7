"""Resources in, config and conditions out: recorded, compared, reviewed as a diff."""

from collections.abc import Callable
from pathlib import Path

import pytest
from compile.compile_cases import CASES, compile_case, shown, to_text


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.removesuffix(".in.yaml"))
def test_compile(case: Path, golden: Callable[[Path, str], None]) -> None:
    """The resources of a case compile to the recorded config, conditions and findings."""
    text = to_text(compile_case(case), shown(case))

    golden(case.with_name(case.name.replace(".in.", ".out.")), text)


def test_no_golden_file_is_left_over() -> None:
    """Every golden file belongs to a case."""
    cases = {case.name.replace(".in.", ".out.") for case in CASES}
    files = {file.name for file in CASES[0].parent.glob("*.out.yaml")}

    assert files == cases
