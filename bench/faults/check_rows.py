"""Every attempt that a provider saw has exactly one row, which says what the provider said."""

from collections import Counter, defaultdict
from typing import Final

from bench.faults.evidence import Attempt, Evidence, Row
from bench.faults.kinds import CLOCK_FAULTS, DISK_FAULTS, ENVOY_DIES, PROVIDER_FAULTS
from bench.faults.plan import Kind
from bench.faults.resources import TENANT
from bench.faults.timeline import Timeline, moment
from bench.faults.verdict import Verdict

UNFINISHED: Final = frozenset({"", "caller_left", "cut", "hang_up"})
FLUSH_S: Final = 0.5
"""How long before Envoy's death a call may have ended whose record was not written yet: 5 ms, or
as long as a busy machine keeps Envoy's main thread from its turn."""
CLOCK_S: Final = 1.0
"""How long after a clock was moved the agent may still reckon with when Envoy had started by the
old one."""
FIGURES: Final = frozenset({"", "high_usage", "low_usage"})
"""Lies (and none) whose figures can be believed, so that they are charged."""

UNKNOWN: Final = "rows that are unknown"
LOST: Final = "  of them without a row (lost)"
DOUBLE: Final = "rows that are there twice (double)"
UNSEEN: Final = "  of them neither void nor unknown"
OWNED: Final = "rows of another tenant or gateway"
OWN_IDS: Final = "  of them under an id that is not their own"
REPEATED: Final = "repeated calls that have rows of their own"


def check_rows(evidence: Evidence, verdict: Verdict) -> None:
    """Adds what the providers' own logs say of the ledger."""
    timeline = Timeline(evidence)
    rows: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in evidence.rows:
        rows[row["stream_id"], row["provider"].rpartition("/")[2]].append(row)
    lost: list[str] = []
    double: list[str] = []
    wrong: list[str] = []
    uncaused: list[str] = []
    for attempt in evidence.attempts:
        found = rows.pop((attempt.id, attempt.provider), [])
        name = f"{attempt.id} at {attempt.provider}"
        if not found:
            lost.append(f"{name}: the provider saw it, and there is no row (or it saw it twice)")
            continue
        if len(found) > 1:
            double.append(f"{name}: {len(found)} rows")
        row = found[0]
        wrong += [f"{name}: {fault}" for fault in _disagree(row, attempt)]
        if row["state"] == "estimated" and not _cause(timeline, row, attempt):
            uncaused.append(f"{name}: {row['reason']}, and nothing cut it")
    verdict.add("attempts that a provider saw", len(evidence.attempts))
    verdict.add(LOST, len(lost), lost)
    double += [f"{key}: {n} rows" for key, n in _keys(evidence.rows).items() if n > 1]
    verdict.add(DOUBLE, len(double), double)
    verdict.add("rows that disagree with the provider", len(wrong), wrong)
    verdict.add("rows estimated without a cause", len(uncaused), uncaused)
    _unseen(timeline, [row for found in rows.values() for row in found], verdict)
    _unknown(timeline, evidence, verdict)
    states = Counter(row["state"] for row in evidence.rows)
    verdict.add("rows", ", ".join(f"{state} {n}" for state, n in sorted(states.items())))


def _keys(rows: list[Row]) -> Counter[str]:
    return Counter(f"{row['stream_id']} attempt {row['attempt']}" for row in rows)


def _disagree(row: Row, attempt: Attempt) -> list[str]:
    """What of the row can't be true after what the provider says."""
    match row["state"]:
        case "void":
            return ["void, but the provider saw it"]
        case "unknown":
            return []
        case "estimated":
            return _estimated(row, attempt)
        case _:
            return _settled(row, attempt)


def _settled(row: Row, attempt: Attempt) -> list[str]:
    if row["reason"] == "error_status":
        if attempt.status != row["status"] and attempt.end not in UNFINISHED:
            return [f"status {row['status']}, but it answered {attempt.status}"]
        return [] if row["total_tokens"] == 0 else ["an error is charged"]
    if attempt.usage is None or attempt.lie not in FIGURES | {"long_length", "short_length", "cut"}:
        return [f"settled, but it gave no figures to believe ({attempt.lie or attempt.end})"]
    told = (attempt.usage["prompt_tokens"], attempt.usage.get("completion_tokens", 0))
    charged = (row["input_tokens"], row["output_tokens"])
    return [] if told == charged else [f"charged {charged}, but it said {told}"]


def _estimated(row: Row, attempt: Attempt) -> list[str]:
    said = []
    if row["input_tokens"] != row["reserved_input_tokens"]:
        said.append("an estimate whose input is not the bound")
    if row["output_tokens"] > row["reserved_output_tokens"]:
        said.append("an estimate above what was reserved")
    if not row["stream"] or row["reason"] == "record_lost":
        if row["output_tokens"] != row["reserved_output_tokens"]:
            said.append("an estimate of what can't be known, below what was reserved")
    elif attempt.end not in {"", "caller_left"} and row["output_tokens"] > attempt.events + 1:
        said.append(f"{row['output_tokens']} events estimated, but it sent {attempt.events}")
    return said


def _cause(timeline: Timeline, row: Row, attempt: Attempt) -> bool:
    if attempt.end in UNFINISHED or attempt.lie not in FIGURES:
        return True
    caller = timeline.caller(row)
    if caller is not None and caller.end != "complete":
        return True
    return timeline.felt(attempt.began, attempt.ended, timeline.gateway(row)) is not None


def _unseen(timeline: Timeline, rows: list[Row], verdict: Verdict) -> None:
    """Rows of attempts that no provider saw: never sent, or nothing is known of them."""
    wrong: list[str] = []
    unread = 0
    for row in rows:
        if row["state"] in {"void", "unknown"}:
            continue
        times = timeline.times(row)
        fault = timeline.near(times.admitted, times.settled_first, kinds=PROVIDER_FAULTS)
        if row["state"] == "estimated" and fault is not None:
            # Its bytes were sent to a process that was killed before it read them.
            unread += 1
            continue
        wrong.append(f"{row['stream_id']} is {row['state']} ({row['reason']})")
    states = Counter(row["state"] for row in rows)
    verdict.add(
        "rows whose attempt no provider saw",
        ", ".join(f"{state} {n}" for state, n in sorted(states.items())) or 0,
    )
    verdict.add("  of them sent to a provider that died before it read", unread)
    verdict.add(UNSEEN, len(wrong), wrong)


def _unknown(timeline: Timeline, evidence: Evidence, verdict: Verdict) -> None:
    """`unknown` is at most what was in flight when nothing could be known.

    That is when Envoy died, a clock was moved, or the disk that Envoy writes to was full.
    """
    times = [
        (fault, fault.began, fault.lifted + (CLOCK_S if fault.kind in CLOCK_FAULTS else 0))
        for fault in evidence.faults
        if fault.kind in ENVOY_DIES | CLOCK_FAULTS
        or (evidence.own_disk and fault.kind in DISK_FAULTS)
    ]
    flying = {
        seen.call
        for fault, begin, end in times
        for seen in evidence.seen
        if seen.sent <= end
        and begin <= seen.ended + FLUSH_S
        and timeline.befell(fault, seen.gateway)
    }
    unknown = [row for row in evidence.rows if row["state"] == "unknown"]
    wrong = [
        f"{row['stream_id']} ({row['reason']}): its call was not in flight then"
        for row in unknown
        if (caller := timeline.caller(row)) is None or caller.call not in flying
    ]
    if len({caller.call for row in unknown if (caller := timeline.caller(row))}) > len(flying):
        wrong.append(f"{len(unknown)} rows, and {len(flying)} calls were in flight")
    verdict.add(UNKNOWN, f"{len(unknown)} of {len(flying)} in flight", wrong)


def check_answers(evidence: Evidence, verdict: Verdict) -> None:
    """Every answer that a caller got has its row, which names that caller and nobody else."""
    timeline = Timeline(evidence)
    ids = {row["stream_id"] for row in evidence.rows}
    wrong = [
        f"call {seen.call} was answered, and {seen.request_id} has no row"
        for seen in evidence.seen
        if seen.status == 200 and seen.request_id not in ids
    ]
    for row in evidence.rows:
        caller = timeline.caller(row)
        if caller is None:
            wrong.append(f"{row['stream_id']}: its tag names no call")
            continue
        if (row["user"], row["team"]) != (caller.user, caller.team):
            wrong.append(f"{row['stream_id']}: charged to {row['user']}, called by {caller.user}")
        bounds = (row["reserved_input_tokens"], row["reserved_output_tokens"])
        if bounds != (caller.bytes, caller.cap):
            wrong.append(f"{row['stream_id']}: reserved {bounds}, not {caller.bytes, caller.cap}")
        if row["operation"] != ("embeddings" if caller.kind == Kind.EMBEDDING.value else "chat"):
            wrong.append(f"{row['stream_id']}: operation {row['operation']}")
        if caller.request_id and caller.request_id != row["stream_id"]:
            wrong.append(f"{row['stream_id']}: its caller was told {caller.request_id}")
        if moment(row["ended_at"]) < moment(row["admitted_at"]):
            wrong.append(f"{row['stream_id']}: ended before it was admitted")
    verdict.add("answers without a row, rows of somebody else", len(wrong), wrong)
    _owned(evidence, timeline, verdict)
    _repeated(evidence, verdict)


def _owned(evidence: Evidence, timeline: Timeline, verdict: Verdict) -> None:
    """The database has this tenant's rows, each of the gateway that was called, and no others."""
    wrong: list[str] = []
    for row in evidence.rows:
        caller = timeline.caller(row)
        if row["tenant"] != TENANT:
            wrong.append(f"{row['stream_id']} is of tenant {row['tenant']}")
        elif caller is not None and timeline.gateway(row) != caller.gateway:
            wrong.append(f"{row['stream_id']} is of {row['namespace']}, called elsewhere")
    if evidence.strangers:
        wrong.append(f"{evidence.strangers} rows are there that the tenant does not see")
    verdict.add(OWNED, len(wrong), wrong)


def _repeated(evidence: Evidence, verdict: Verdict) -> None:
    """Nobody's x-request-id becomes a stream id: what is sent again is charged again."""
    wrong = [
        f"call {seen.call} took over the id that its caller sent"
        for seen in evidence.seen
        if seen.request_id and seen.request_id == seen.said_id
    ]
    made_up = {seen.said_id for seen in evidence.seen if not seen.repeat}
    wrong += [
        f"{row['stream_id']}: a caller made this id up"
        for row in evidence.rows
        if row["stream_id"] in made_up
    ]
    told = Counter(seen.request_id for seen in evidence.seen if seen.request_id)
    wrong += [f"{n} calls were told the same id {name}" for name, n in told.items() if n > 1]
    rows = {row["stream_id"] for row in evidence.rows}
    again = [seen for seen in evidence.seen if seen.repeat and seen.request_id in rows]
    verdict.add(REPEATED, len(again))
    verdict.add(OWN_IDS, len(wrong), wrong)
