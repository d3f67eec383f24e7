"""How many faults of which kind a run had, counted where they were met and not where planned."""

from collections import Counter

from bench.faults.evidence import Evidence
from bench.faults.verdict import Verdict

CUTS = frozenset({"cut", "hang_up", "short_length", "long_length"})
"""Lies by which an answer stops before its end."""


def on_processes(evidence: Evidence) -> Counter[str]:
    """Faults of processes, disks, networks and clocks by kind."""
    return Counter(fault.kind for fault in evidence.faults)


def on_calls(evidence: Evidence) -> Counter[str]:
    """Faults of single calls by kind, as providers and callers wrote them down."""
    found: Counter[str] = Counter()
    for attempt in evidence.attempts:
        if attempt.lie in CUTS:
            found["answer or stream cut by the provider"] += 1
        elif attempt.lie:
            found["lie of the provider"] += 1
        elif attempt.status >= 400:
            found["error of the provider"] += 1
    for seen in evidence.seen:
        if seen.end == "left":
            found["caller hung up"] += 1
        if seen.repeat and seen.end != "refused":
            found[f"{seen.repeat} of an x-request-id and body"] += 1
    return found


def check_faults(evidence: Evidence, verdict: Verdict) -> None:
    """Adds what was done, kind by kind."""
    for what, counted in (
        ("faults of processes", on_processes(evidence)),
        ("faults of calls", on_calls(evidence)),
    ):
        verdict.add(what, counted.total())
        for kind, count in sorted(counted.items()):
            verdict.add(f"  {kind}", count)
    if evidence.delivered_again is not None:
        verdict.add("rows delivered to the ledger again", evidence.delivered_again)
