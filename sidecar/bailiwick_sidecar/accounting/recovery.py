"""Starting again: counters and open attempts as the journal says they stood."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from bailiwick_sidecar.accounting.attempts import AttemptBook
from bailiwick_sidecar.accounting.journal import FileJournal
from bailiwick_sidecar.accounting.model import Intent, Row, RowState
from bailiwick_sidecar.accounting.replay import Checkpoint
from bailiwick_sidecar.quota.model import Amounts, AttemptKey, QuotaStore, Reservation

Entry = tuple[Reservation, int, Amounts | None]


class Counters(Protocol):
    """Counters that a journal carries from segment to segment; a memory store's engine."""

    def dump(self) -> dict[str, Any]:
        """All counters and open reservations as JSON."""
        ...

    def load(self, data: Any) -> None:
        """Become what gave `data`."""
        ...


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was found: attempts still open, attempts ended since the checkpoint, bad lines."""

    open: int
    ended: int
    garbage: int


async def recover(
    *,
    journal: FileJournal,
    store: QuotaStore,
    counters: Counters | None,
    book: AttemptBook,
    now: int,
) -> Recovered:
    """Rebuild the counters, give the book what is open, and start a segment. `now` in ms.

    Call it before the first admission and before the first record is read. `counters` is None
    for a store that keeps its counts elsewhere.

    Raises:
        JournalUnreadableError: the counters can't be rebuilt.
        JournalUnwritableError: no segment can be started; all is rebuilt, and admission denies
            until `checkpoint` succeeds.
    """
    carried: dict[AttemptKey, Intent] = {}
    fresh: dict[AttemptKey, Intent] = {}
    late: list[Row] = []
    entries: list[Entry] = []
    for said in journal.replay():
        match said:
            case Checkpoint():
                if counters is not None and (state := json.loads(said.state)) is not None:
                    counters.load(state)
                carried = {intent.key: intent for intent in said.open}
                fresh.clear()
                late.clear()
                entries.clear()
            case Intent():
                fresh[said.key] = said
            case Row() if said.intent.key in carried:
                del carried[said.intent.key]
                late.append(said)
            case Row() if said.state is RowState.VOID:
                # Taken, then given back: a shared store may know the first and not the second,
                # and hears of counters alone that something was done with.
                del fresh[said.intent.key]
                entries.append(_entry(said.intent, None))
                late.append(said)
            case Row():
                del fresh[said.intent.key]
                entries.append(_entry(said.intent, amounts_of(said)))
    ended = sum(1 for entry in entries if entry[2] is not None) + len(late)
    if counters is not None:
        entries += [_entry(intent, None) for intent in fresh.values()]
        await store.restore(entries)
    await _catch_up(store, late, now)
    for intent in (*carried.values(), *fresh.values()):
        book.adopt(intent)
    checkpoint(journal, counters, now=now)
    return Recovered(open=book.in_flight, ended=ended, garbage=journal.garbage)


def checkpoint(journal: FileJournal, counters: Counters | None, *, now: int) -> None:
    """Start a segment of the journal with the counters as they stand.

    Raises:
        JournalUnwritableError: it can't be written.
    """
    state = counters.dump() if counters is not None else None
    # The standard library's, since it keeps whole numbers past 64 bits.
    journal.roll(json.dumps(state, separators=(",", ":")).encode(), now=now)


def reservation_of(intent: Intent) -> Reservation:
    """What the intent reserved."""
    stream_id, attempt = intent.key
    return Reservation(
        key=intent.key,
        caller=intent.caller,
        amounts=Amounts(tokens=intent.input_bound + intent.output_bound, cost=intent.cost_bound),
        deadline=intent.deadline,
        predecessor=(stream_id, attempt - 1) if attempt > 1 else None,
    )


def amounts_of(row: Row) -> Amounts:
    """What the row charges."""
    return Amounts(tokens=row.usage.total, cost=row.cost)


def _entry(intent: Intent, amounts: Amounts | None) -> Entry:
    return reservation_of(intent), intent.admitted_at, amounts


async def _catch_up(store: QuotaStore, rows: Iterable[Row], now: int) -> None:
    """Ends what the checkpoint's counters still hold as open."""
    for row in rows:
        if row.state is RowState.VOID:
            await store.void(row.intent.key, now)
        else:
            await store.settle(row.intent.key, amounts_of(row), now)
