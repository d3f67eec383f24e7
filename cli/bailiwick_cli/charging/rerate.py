"""`bailiwick ledger rerate`: a period with the prices that should have held."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bailiwick_cli.charging.writing import write_csv, write_json, write_table
from bailiwick_cli.console import note, warn
from bailiwick_cli.ledger import Question, QuestionError
from bailiwick_cli.problems import counted
from bailiwick_cli.resources import check
from bailiwick_contract.money import decimal_string
from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_sidecar.ledger.adjusting import Adjustment, record
from bailiwick_sidecar.ledger.filters import Filters
from bailiwick_sidecar.ledger.queries import namespaces
from bailiwick_sidecar.ledger.reading import Source
from bailiwick_sidecar.ledger.rerating import Rerating, Tally, rerate_ledger

COLUMNS = (
    "provider", "model", "rows", "changed", "before", "after", "change", "currency",
    "unpriced", "images", "reconciled",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Priced:
    """Rows of one namespace, the ledger that has them, and the prices of its files."""

    ledger: Source
    filters: Filters
    config: TenantConfig


def show_rerating(question: Question, *, files: Sequence[Path], dry_run: bool) -> None:
    """What changed is on stdout, and in the ledgers unless it is a dry run.

    Raises:
        QuestionError: the files can't be read as prices of these namespaces.
    """
    filters = question.filters(question.days(), now=time.time())
    priced = _priced(question, filters, files)
    made_at = int(time.time() * 1000)
    whole = Rerating()
    planned: dict[Source, list[Adjustment]] = {}
    for one in priced:
        found = rerate_ledger(
            one.ledger, one.config, filters=one.filters, made_at=made_at, into=whole
        )
        planned.setdefault(one.ledger, []).extend(found)
    currencies = {one.config.currency for one in priced}
    if len(currencies) > 1:
        raise QuestionError(
            f"these namespaces count in {', '.join(sorted(currencies))}: choose those of one "
            "currency with --namespace"
        )
    if not dry_run:
        for ledger, adjustments in planned.items():
            record(ledger, adjustments)
    _show(question, whole, currency=next(iter(currencies), ""), dry_run=dry_run)


def _priced(question: Question, filters: Filters, files: Sequence[Path]) -> list[Priced]:
    checked = check(files)
    if checked.violations:
        raise QuestionError(
            f"{counted(len(checked.violations), 'error')} in the files: run `bailiwick validate` "
            "on them, and correct what it shows; nothing was written"
        )
    found = []
    for ledger, namespace in _ledgers(question, filters):
        if namespace not in checked.configs:
            raise QuestionError(
                f"namespace {namespace!r} has a ledger and is not in the files: give its files "
                "with -f, or choose namespaces with --namespace"
            )
        config = checked.configs[namespace]
        if question.tenant is not None and config.tenant != question.tenant:
            raise QuestionError(
                f"the files make namespace {namespace!r} tenant {config.tenant!r}'s, --tenant says "
                f"{question.tenant!r}: give the files that it was served with"
            )
        found.append(Priced(ledger, replace(filters, namespaces=(namespace,)), config))
    return found


def _ledgers(question: Question, filters: Filters) -> list[tuple[Source, str]]:
    """Each namespace that is asked for and has rows, with the ledger that has them."""
    found: list[tuple[Source, str]] = []
    for ledger in question.sources():
        if isinstance(ledger, Path):
            found.append((ledger, ledger.parent.name))
            continue
        there = namespaces((ledger,), filters)
        if lacking := sorted(set(question.namespaces) - set(there)):
            raise QuestionError(
                f"namespace {lacking[0]!r} has no row in this period: correct --namespace, --from "
                "or --to"
            )
        found += [(ledger, namespace) for namespace in there]
    return found


def _show(question: Question, whole: Rerating, *, currency: str, dry_run: bool) -> None:
    records = [
        {"provider": provider, "model": model, **_record(tally), "currency": currency}
        for (provider, model), tally in sorted(whole.tallies.items())
    ]
    changed = len(whole.adjustments)
    if question.output == "json":
        write_json({"dryRun": dry_run, "adjustments": changed, "models": records})
    elif question.output == "csv":
        write_csv(COLUMNS, records)
    else:
        write_table(COLUMNS, records)
    left = sum(tally.unpriced for tally in whole.tallies.values())
    if left:
        warn(
            f"{counted(left, 'row')} stayed as they were: the files have no price for their model "
            "at that time; add one, and run the command again"
        )
    images = sum(tally.images for tally in whole.tallies.values())
    if images:
        warn(f"{counted(images, 'row')} of images stayed as they were: their number is not known")
    if not changed:
        note("nothing to adjust: every row costs what these prices say")
    elif dry_run:
        note(f"{counted(changed, 'adjustment')} would be written: run it without --dry-run")
    else:
        note(f"{counted(changed, 'adjustment')} written; no row was changed")


def _record(tally: Tally) -> dict[str, Any]:
    return {
        "rows": tally.rows,
        "changed": tally.changed,
        "before": decimal_string(tally.before),
        "after": decimal_string(tally.after),
        "change": decimal_string(tally.after - tally.before),
        "unpriced": tally.unpriced,
        "images": tally.images,
        "reconciled": tally.reconciled,
    }
