"""Nothing reserved is lost: journal, ledger and counters agree, and each cost is its price."""

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from bench.faults.evidence import Evidence, Row
from bench.faults.resources import INPUT_PER_MILLION, OUTPUT_PER_MILLION
from bench.faults.verdict import Verdict

MILLION: Final = Decimal(1_000_000)
CONSERVED: Final = "tokens reserved"
PRICED: Final = "cost, each row at its price"
SUMMED: Final = "sums of the ledger that differ from its rows"
PERIODS: Final = {"tokensPerMonth": 7, "budgetMonth": 7, "budgetDay": 10}
"""Kinds of limits that never forget within a period, and how much of a date names the period."""


def price(tokens_in: int, tokens_out: int) -> Decimal:
    """What tokens cost by the providers' price."""
    return (tokens_in * INPUT_PER_MILLION + tokens_out * OUTPUT_PER_MILLION) / MILLION


def check_books(evidence: Evidence, verdict: Verdict) -> None:
    """Adds what journal, ledger and counters say of each other."""
    _conserved(evidence, verdict)
    _priced(evidence, verdict)
    _counted(evidence, verdict)
    _summed(evidence, verdict)


def _conserved(evidence: Evidence, verdict: Verdict) -> None:
    wrong: list[str] = []
    rows = {(row["stream_id"], row["attempt"]): row for row in evidence.rows}
    intended = {(one.id, one.attempt): one for one in evidence.journal}
    for key, one in intended.items():
        row = rows.get(key)
        if row is None:
            wrong.append(f"{key} was journalled and has no row")
            continue
        reserved = row["reserved_input_tokens"] + row["reserved_output_tokens"]
        if reserved != one.tokens:
            wrong.append(f"{key}: journal reserves {one.tokens}, row {reserved}")
        if Decimal(one.cost) != Decimal(row["reserved_cost"]) * 10**12:
            wrong.append(f"{key}: journal reserves {one.cost}, row {row['reserved_cost']}")
        if one.outcomes > 1:
            wrong.append(f"{key} ended {one.outcomes} times")
    wrong += [f"{key} has a row and was never journalled" for key in rows.keys() - intended.keys()]
    by_state: dict[str, int] = defaultdict(int)
    for row in evidence.rows:
        by_state[row["state"]] += row["reserved_input_tokens"] + row["reserved_output_tokens"]
    reserved = sum(one.tokens for one in evidence.journal)
    if evidence.pending == 0 and reserved != sum(by_state.values()):
        wrong.append(f"{reserved} tokens reserved, {sum(by_state.values())} on rows")
    parts = " + ".join(f"{state} {tokens}" for state, tokens in sorted(by_state.items()))
    verdict.add(CONSERVED, f"{reserved} = {parts} + pending {evidence.pending}", wrong)
    left = [f"{evidence.pending} attempts still have no row"] if evidence.pending else []
    verdict.add("attempts without a row at the end", evidence.pending, left)


def _priced(evidence: Evidence, verdict: Verdict) -> None:
    wrong: list[str] = []
    for row in evidence.rows:
        figures = (
            ("cost", row["input_tokens"], row["output_tokens"]),
            ("reserved_cost", row["reserved_input_tokens"], row["reserved_output_tokens"]),
        )
        for field, tokens_in, tokens_out in figures:
            if Decimal(row[field]) != price(tokens_in, tokens_out):
                wrong.append(f"{row['stream_id']}: {field} {row[field]} is not its price")
        if row["total_tokens"] != row["input_tokens"] + row["output_tokens"]:
            wrong.append(f"{row['stream_id']}: total_tokens is not the sum")
        if row["state"] == "void" and row["total_tokens"]:
            wrong.append(f"{row['stream_id']}: void, and charged")
    total = sum((Decimal(row["cost"]) for row in evidence.rows), Decimal())
    verdict.add(PRICED, f"{total} USD", wrong)


def _summed(evidence: Evidence, verdict: Verdict) -> None:
    """What `ledger top` adds up in the database is what the rows add up to here."""
    wrong = [
        f"{name}: {said} summed, {due} on rows"
        for name, due in (
            ("attempts", len(evidence.rows)),
            ("total cost", sum((Decimal(row["cost"]) for row in evidence.rows), Decimal())),
        )
        if Decimal(said := evidence.summed[name]) != due
    ]
    verdict.add(SUMMED, len(wrong), wrong)


def _counted(evidence: Evidence, verdict: Verdict) -> None:
    """What the counters of days and months say after all deaths is what the rows add up to."""
    wrong: list[str] = []
    checked: Counter[str] = Counter()
    for usage in evidence.usage:
        for state in usage.get("data", ()):
            if state["kind"] not in PERIODS:
                continue
            due = _sum(evidence.rows, state)
            checked[state["id"]] += 1
            if Decimal(str(state["used"])) != due:
                wrong.append(
                    f"{state['id']} {state['subject']}: the counter says {state['used']}, "
                    f"the rows {due}"
                )
    if not checked:
        wrong.append("no counter was seen")
    verdict.add("counters that differ from the rows", f"{len(wrong)} of {checked.total()}", wrong)


def _sum(rows: list[Row], state: dict[str, Any]) -> Decimal:
    length = PERIODS[state["kind"]]
    last = datetime.fromisoformat(state["resets_at"]) - timedelta(milliseconds=1)
    period = last.isoformat()[:length]
    subject = {**_named(state["id"]), **state["subject"]}
    field = "total_tokens" if state["kind"] == "tokensPerMonth" else "cost"
    return sum(
        (
            Decimal(str(row[field]))
            for row in rows
            if row["admitted_at"][:length] == period
            and all(row[name] == value for name, value in subject.items())
        ),
        Decimal(),
    )


def _named(limit: str) -> dict[str, str]:
    """The subject that the run's resources give the Quota of this name."""
    name = limit.partition("#")[0].rpartition("/")[2]
    return {"team": name} if name in {"search", "bots"} else {}
