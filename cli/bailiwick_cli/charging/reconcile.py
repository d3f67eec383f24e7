"""`bailiwick ledger reconcile`: the ledger beside what a provider charges."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Final

from bailiwick_cli.charging.writing import write_csv, write_json, write_table
from bailiwick_cli.console import note, warn
from bailiwick_cli.ledger import Question, QuestionError
from bailiwick_cli.problems import counted
from bailiwick_contract.money import decimal_string
from bailiwick_sidecar.invoices.formats import read_files
from bailiwick_sidecar.ledger.adjusting import Adjustment, Standing, record
from bailiwick_sidecar.ledger.drift import Cell, Drift, Names, by_model, compared
from bailiwick_sidecar.ledger.filters import Filters
from bailiwick_sidecar.ledger.reading import Source
from bailiwick_sidecar.ledger.reconciling import (
    Own,
    own_figures,
    period_of,
    unknown_rows,
)
from bailiwick_sidecar.ledger.settling import settled
from bailiwick_sidecar.ledger.telling_apart import short

OVER: Final = 3
"""Exit code where a model's drift is over the threshold."""
COLUMNS: Final = (
    "day", "key", "model", "input_tokens", "billed_input_tokens", "cached_input_tokens",
    "billed_cached_input_tokens", "output_tokens", "billed_output_tokens", "cost", "billed",
    "drift", "currency", "drift_percent", "unknown", "unknown_cost", "settles",
)  # fmt: skip
_PERCENT: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%?")
_RATE: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Claim:
    """What the files are, and how their names are the ledger's."""

    provider: str
    files: tuple[Path, ...]
    of: tuple[str, ...]
    keys: tuple[str, ...]
    models: tuple[str, ...]
    exchange_rate: str | None
    threshold: str
    settle: bool


def show_reconciliation(question: Question, claim: Claim) -> int:
    """The drift is on stdout; the exit code: 3 where a model's is over the threshold, else 0.

    Raises:
        QuestionError: options that mean nothing.
        InvoiceError: a file that can't be read as the provider's.
    """
    threshold = _percent(claim.threshold)
    rate = _rate(claim.exchange_rate)
    told = _pairs(claim.keys, "--key", "KEY-ID=KEY, or KEY-ID=PROVIDER")
    told = {key: short(name) for key, name in told.items()}
    models = _pairs(claim.models, "--model", "NAME=MODEL")
    export, mark = read_files(claim.provider, claim.files)
    if export.more:
        text = "the last page says that more follow: fetch them too, and give all files at once"
        if claim.settle:
            raise QuestionError(f"{text}; nothing was settled")
        warn(text)
    period = question.narrowed(period_of(export.lines))
    ledgers = question.sources()
    figures = partial(
        own_figures,
        ledgers,
        period,
        providers=claim.of,
        told=told,
        file_keys={line.key for line in export.lines},
    )
    own = figures()
    if own.together:
        note(f"{own.together}; --key says which is which")
    names = Names(models, own.keys, frozenset(cell.model for cell in own.cells))
    theirs = {line.currency for line in export.lines if line.cost is not None}
    currency = own.currency or next(iter(theirs), "")
    drifts = compared(export.lines, own.cells, names, currency=currency, rate=rate)
    if rate is None and theirs - {currency}:
        _say_other_currency(theirs, currency, drifts)
    found = _unknown(ledgers, period, own)
    plan = _settled(drifts, found, threshold=threshold, mark=mark)
    if claim.settle:
        for ledger, made in plan.items():
            record(ledger, made)
        own = figures()
        drifts = compared(export.lines, own.cells, names, currency=currency, rate=rate)
        note(f"{counted(sum(map(len, plan.values())), 'unknown row')} settled; no row was changed")
    wholes = by_model(drifts)
    over = [drift for drift in wholes if (drift.percent() or 0) > threshold]
    settling = _settling(found, plan)
    _show(question, claim, drifts, wholes, over, currency=currency, settling=settling)
    return OVER if over else 0


def _say_other_currency(theirs: set[str], ours: str, drifts: Sequence[Drift]) -> None:
    text = (
        f"the files are in {', '.join(sorted(theirs))}, the ledger in {ours}: money is not "
        "compared; give --exchange-rate (what one of theirs is in yours)"
    )
    if all(drift.percent() is None for drift in drifts):
        raise QuestionError(f"{text}, or files with tokens: so there is nothing to compare")
    warn(text)


def _unknown(
    ledgers: Sequence[Source], period: Filters, own: Own
) -> dict[Cell, list[tuple[Source, Standing]]]:
    found: dict[Cell, list[tuple[Source, Standing]]] = {}
    for ledger in ledgers:
        for cell, standing in unknown_rows(ledger, period, own):
            found.setdefault(cell, []).append((ledger, standing))
    return found


def _settled(
    drifts: Sequence[Drift],
    found: Mapping[Cell, list[tuple[Source, Standing]]],
    *,
    threshold: Fraction,
    mark: str,
) -> dict[Source, list[Adjustment]]:
    made_at = int(time.time() * 1000)
    today = datetime.now(UTC).date().isoformat()
    plan: dict[Source, list[Adjustment]] = {}
    for drift in drifts:
        if drift.cell.day >= today:
            continue  # what is not billed yet may be billed tonight
        rows = found.get(drift.cell, [])
        adjustments = settled(
            drift,
            [standing for _, standing in rows],
            threshold=threshold,
            made_at=made_at,
            note=mark,
        )
        for (ledger, _), adjustment in zip(rows, adjustments, strict=False):
            plan.setdefault(ledger, []).append(adjustment)
    return plan


def _settling(
    found: Mapping[Cell, list[tuple[Source, Standing]]], plan: Mapping[Source, list[Adjustment]]
) -> dict[Cell, int]:
    """How many rows of each cell are settled, or would be."""
    planned = {id(one.before) for made in plan.values() for one in made}
    return {
        cell: sum(id(standing) in planned for _, standing in rows) for cell, rows in found.items()
    }


def _show(
    question: Question,
    claim: Claim,
    drifts: Sequence[Drift],
    wholes: Sequence[Drift],
    over: Sequence[Drift],
    *,
    currency: str,
    settling: Mapping[Cell, int],
) -> None:
    days = [_record(drift, currency, settling.get(drift.cell, 0)) for drift in drifts]
    sums = [
        _record(
            drift,
            currency,
            sum(n for cell, n in settling.items() if cell._replace(day="") == drift.cell),
        )
        for drift in wholes
    ]
    if question.output == "json":
        write_json(
            {
                "provider": claim.provider,
                "thresholdPercent": claim.threshold.rstrip("% "),
                "settled": claim.settle,
                "days": days,
                "models": [
                    {**record_, "over": drift in over}
                    for record_, drift in zip(sums, wholes, strict=True)
                ],
            }
        )
    elif question.output == "csv":
        write_csv(COLUMNS, days)
    else:
        for line in sums:
            line["day"] = "all"
        write_table(COLUMNS, days, totals=sums)
    if not claim.settle and any(settling.values()):
        rows = counted(sum(settling.values()), "unknown row")
        note(f"{rows} would be settled: run it with --settle")
    for drift in over:
        warn(
            f"{drift.cell.model}{f' behind {drift.cell.key}' if drift.cell.key else ''} is over "
            f"the threshold: {_text(drift.percent())} %"
        )


def _record(drift: Drift, currency: str, settles: int) -> dict[str, Any]:
    sums, told = drift.ledger, drift.told
    return {
        "day": drift.cell.day,
        "key": drift.cell.key,
        "model": drift.cell.model,
        "input_tokens": sums.input,
        "billed_input_tokens": _given(told.input),
        "cached_input_tokens": sums.cached_input,
        "billed_cached_input_tokens": _given(told.cached_input),
        "output_tokens": sums.output,
        "billed_output_tokens": _given(told.output),
        "cost": decimal_string(sums.total_cost),
        "billed": "" if told.cost is None else decimal_string(told.cost),
        "drift": "" if told.cost is None else decimal_string(sums.total_cost - told.cost),
        "currency": currency,
        "drift_percent": _text(drift.percent()),
        "unknown": sums.count["unknown"],
        "unknown_cost": decimal_string(sums.cost["unknown"]),
        "settles": settles,
    }


def _given(count: int | None) -> int | str:
    return "" if count is None else count


def _text(percent: Fraction | None) -> str:
    """Two decimals, rounded up, so that what is not equal never reads 0.00."""
    if percent is None:
        return ""
    hundredths = -(-percent.numerator * 100 // percent.denominator)
    return f"{hundredths // 100}.{hundredths % 100:02d}"


def _percent(text: str) -> Fraction:
    found = _PERCENT.fullmatch(text.strip())
    if found is None:
        raise QuestionError(f"--threshold {text!r} is no percentage: write it like 1% or 0.5%")
    return Fraction(found[1])


def _rate(text: str | None) -> Fraction | None:
    if text is None:
        return None
    if not _RATE.fullmatch(text) or not Fraction(text):
        raise QuestionError(f"--exchange-rate {text!r} is no rate: write it like 0.92")
    return Fraction(text)


def _pairs(texts: Sequence[str], option: str, form: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (equals and name and value):
            raise QuestionError(f"{option} {text!r}: write it as {form}")
        pairs[name] = value
    return pairs
