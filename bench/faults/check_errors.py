"""Every error that a caller met was a fault's doing, or what the call had asked for."""

from collections import Counter, defaultdict
from typing import Final

from bench.faults.check_limits import REFUSALS
from bench.faults.evidence import Evidence, Seen
from bench.faults.plan import Kind
from bench.faults.timeline import Timeline
from bench.faults.verdict import Verdict

UNEXPLAINED: Final = "errors not caused by a fault"
INCOMPLETE: Final = "quota_store_unavailable"
LYING: Final = frozenset({Kind.LIE.value, Kind.STREAM_LIE.value})
LEAVING: Final = frozenset({Kind.LEAVE_UNARY.value, Kind.LEAVE_STREAM.value})
OWN: Final = frozenset(
    {"accounting_unavailable", "gateway_error", "gateway_unavailable", "route_not_ready"}
)
"""Errors that no lie of a provider can cause."""


def check_errors(evidence: Evidence, verdict: Verdict) -> None:
    """Adds errors outside of faults, and how long each death was felt."""
    timeline = Timeline(evidence)
    wrong: list[str] = []
    met: Counter[str] = Counter()
    excused = 0
    for seen in evidence.seen:
        felt = timeline.felt(seen.sent, seen.ended, seen.gateway) is not None
        excused += felt
        if _fine(seen):
            continue
        what = f"{seen.status} {seen.code}".strip() if seen.status else seen.end
        if felt or (seen.code == INCOMPLETE and timeline.incomplete(seen)):
            met[what] += 1
        elif seen.kind not in LYING or seen.code in OWN:
            wrong.append(f"call {seen.call} ({seen.kind}): {what}, {seen.end}")
    verdict.add("calls", len(evidence.seen))
    verdict.add("  of them far from any fault that may be felt", len(evidence.seen) - excused)
    shown = ", ".join(f"{what} {n}" for what, n in sorted(met.items()))
    verdict.add("errors while a fault was felt", f"{met.total()} ({shown})" if met else 0)
    verdict.add(UNEXPLAINED, len(wrong), wrong)
    recoveries: dict[str, list[float]] = defaultdict(list)
    for fault in evidence.faults:
        if fault.recovery_s is not None:
            recoveries[fault.kind].append(fault.recovery_s)
    for kind, seconds in sorted(recoveries.items()):
        shown = ", ".join(f"{one:.2f}" for one in seconds)
        verdict.add(f"seconds until it served again: {kind}", shown)


def _fine(seen: Seen) -> bool:
    if seen.code in REFUSALS:
        return True  # looked at by themselves
    if seen.kind == Kind.ALL_FAIL.value:
        return seen.code == "told"
    if seen.kind in LEAVING and seen.end == "left":
        return True
    return seen.status == 200 and seen.end == "complete"
