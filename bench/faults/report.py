"""The verdict over a run, and how it is shown."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from bench.faults.check_books import CONSERVED, check_books
from bench.faults.check_errors import check_errors
from bench.faults.check_faults import check_faults, on_calls, on_processes
from bench.faults.check_limits import (
    EXCEEDED,
    FALSE,
    OVERSHOOT,
    REFUSED,
    WITHIN,
    check_limits,
)
from bench.faults.check_rows import DOUBLE, LOST, UNKNOWN, UNSEEN, check_answers, check_rows
from bench.faults.evidence import Evidence
from bench.faults.verdict import Verdict

SHOWN: Final = 5
"""Cases of one check that are printed."""


def judge(evidence: Evidence) -> Verdict:
    """Every check of a run."""
    verdict = Verdict()
    check_faults(evidence, verdict)
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


def summary(evidence: Evidence, verdict: Verdict) -> Iterator[str]:
    """The figures that a run is judged by, one a line."""
    processes, calls = on_processes(evidence).total(), on_calls(evidence).total()
    states = Counter(row["state"] for row in evidence.rows)

    def wrong(check: str) -> int:
        return len(verdict.line(check).wrong)

    yield f"faults injected: {processes + calls:,} ({processes} of processes, {calls:,} of calls)"
    yield (
        f"attempts that providers saw: {len(evidence.attempts):,};"
        f" without a row {wrong(LOST)}, with more than one {wrong(DOUBLE)}"
    )
    yield (
        f"rows: {len(evidence.rows):,}"
        f" ({', '.join(f'{state} {n:,}' for state, n in sorted(states.items()))})"
    )
    yield (
        f"rows of attempts that no provider saw, and neither void nor unknown: {wrong(UNSEEN)};"
        f" unknown and not in flight at a kill: {wrong(UNKNOWN)}"
        f" (unknown {verdict.line(UNKNOWN).figure})"
    )
    yield f"reservations: {'not ' if wrong(CONSERVED) else ''}conserved"
    yield (
        f"overshoot beyond the published bound: {wrong(EXCEEDED) + wrong(OVERSHOOT)}"
        f" (within it, after a gateway died: {verdict.line(WITHIN).figure})"
    )
    yield f"false refusals: {wrong(FALSE)} of {verdict.line(REFUSED).figure}"
