"""The verdict over a run, and how it is shown."""

from collections.abc import Iterator
from typing import Final

from bench.faults.check_books import check_books
from bench.faults.check_errors import check_errors
from bench.faults.check_limits import check_limits
from bench.faults.check_rows import check_answers, check_rows
from bench.faults.evidence import Evidence
from bench.faults.verdict import Verdict

SHOWN: Final = 5
"""Cases of one check that are printed."""


def judge(evidence: Evidence) -> Verdict:
    """Every check of a run."""
    verdict = Verdict()
    check_errors(evidence, verdict)
    check_rows(evidence, verdict)
    check_answers(evidence, verdict)
    check_books(evidence, verdict)
    check_limits(evidence, verdict)
    return verdict


def lines(verdict: Verdict) -> Iterator[str]:
    """The table, one line a check; what is wrong stands below its check."""
    width = max(len(line.check) for line in verdict.lines)
    for line in verdict.lines:
        mark = "✗" if line.wrong else " "
        yield f"{mark} {line.check:<{width}}  {line.figure}"
        for case in line.wrong[:SHOWN]:
            yield f"      {case}"
        if len(line.wrong) > SHOWN:
            yield f"      … and {len(line.wrong) - SHOWN} more"
