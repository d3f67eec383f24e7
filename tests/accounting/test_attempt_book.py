"""Exactly one row per intent, whatever comes of the records."""

import asyncio
from dataclasses import dataclass

import pytest
from accounting.samples import START, Books, Clock, Rows, intent, run
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick_contract.errors import BailiwickError
from bailiwick_sidecar.accounting.attempts import GRACE_MS, OVERDUE_MS, AttemptBook
from bailiwick_sidecar.accounting.errors import DuplicateAttemptError, JournalUnwritableError
from bailiwick_sidecar.accounting.lines import Position
from bailiwick_sidecar.accounting.model import Intent, Row, RowState, Usage
from bailiwick_sidecar.accounting.records import AttemptEnd, Record, RequestEnd
from bailiwick_sidecar.quota.model import Amounts, AttemptKey

FIGURES = '{"prompt_tokens":800,"completion_tokens":200}'


class Memo:
    """A journal in memory, which may refuse."""

    def __init__(self) -> None:
        self.records: list[Intent | Row] = []
        self.full = False
        self.fails = False

    def intent(self, intent: Intent) -> None:
        self._take(intent)

    def outcome(self, row: Row) -> Position:
        self._take(row)
        return (1, len(self.records))

    async def durable(self) -> None:
        if self.fails:
            raise JournalUnwritableError("the disk is gone")

    def _take(self, record: Intent | Row) -> None:
        if self.full:
            raise JournalUnwritableError("full")
        self.records.append(record)


class Desk:
    """A book with everything around it."""

    def __init__(self) -> None:
        self.journal = Memo()
        self.store = Books()
        self.ledger = Rows()
        self.clock = Clock()
        self.seen: list[tuple[Row, int]] = []
        self.book = AttemptBook(
            journal=self.journal,
            store=self.store,
            ledger=self.ledger,
            clock=self.clock,
            observers=(lambda row, overshoot: self.seen.append((row, overshoot)),),
        )

    async def settle_all(self) -> None:
        """Time goes on until nothing can be open."""
        self.clock.now += 60_000 + OVERDUE_MS + GRACE_MS + 1
        await self.book.expire(self.clock.now)

    def states(self) -> dict[AttemptKey, RowState]:
        return {row.intent.key: row.state for row in self.ledger.rows}


def attempt_end(n: int, status: int, *, tx: int = 100, stream_id: str = "s") -> AttemptEnd:
    return AttemptEnd(id=stream_id, n=n, s=status, tx=tx, rx=0, f="-" if tx else "UF")


def request_end(n: int, *, usage: str | None = FIGURES, stream_id: str = "s") -> RequestEnd:
    return RequestEnd(id=stream_id, n=n, s=200, f="-", c="via_upstream", u=usage)


@dataclass(frozen=True)
class Story:
    """A request's attempts and the records that Envoy made of it."""

    stream_id: str
    attempts: int
    records: tuple[Record, ...]


@st.composite
def stories(draw: st.DrawFn) -> list[Story]:
    """Up to four requests: some never left, some fell back, some were answered."""
    told = []
    for number in range(draw(st.integers(1, 4))):
        name = f"stream-{number}"
        failures = draw(st.lists(st.sampled_from([(503, 9), (429, 9), (0, 0), (0, 9)]), max_size=3))
        if draw(st.booleans()) and not failures:
            told.append(Story(name, 1, (RequestEnd(id=name, n=0, s=0, f="DC"),)))
            continue
        records: list[Record] = [
            attempt_end(n, status, tx=tx, stream_id=name)
            for n, (status, tx) in enumerate(failures, start=1)
        ]
        last = len(failures) + 1
        records.append(attempt_end(last, 200, stream_id=name))
        usage = draw(st.sampled_from([FIGURES, None, '{"prompt_tokens":-4}']))
        records.append(request_end(last, usage=usage, stream_id=name))
        told.append(Story(name, last, tuple(records)))
    return told


@settings(max_examples=200)
@given(told=stories(), data=st.data())
def test_one_row_per_intent(told: list[Story], data: st.DataObject) -> None:
    """Records in any order, twice, or lost, with time between them: each intent gets one row.

    Journal, ledger, quota store and observers agree on it.
    """
    records = [record for story in told for record in story.records]
    kept = data.draw(st.lists(st.sampled_from(records), max_size=2 * len(records)))
    steps = data.draw(st.permutations([*kept, *data.draw(st.lists(st.just(None), max_size=3))]))
    if data.draw(st.booleans()):
        steps = [*steps, *records]

    async def main() -> Desk:
        desk = Desk()
        for story in told:
            for n in range(1, story.attempts + 1):
                await desk.book.open(intent(story.stream_id, n))
        for step in steps:
            if step is None:
                desk.clock.now += GRACE_MS
                await desk.book.expire(desk.clock.now)
            else:
                await desk.book.on_record(step)
        await desk.settle_all()
        for record in records:
            await desk.book.on_record(record)
        return desk

    desk = run(main())
    keys = sorted((story.stream_id, n) for story in told for n in range(1, story.attempts + 1))
    assert sorted(row.intent.key for row in desk.ledger.rows) == keys
    assert [r for r in desk.journal.records if isinstance(r, Row)] == desk.ledger.rows
    assert [row for row, _ in desk.seen] == desk.ledger.rows
    assert desk.store.posted == [
        (
            row.intent.key,
            None if row.state is RowState.VOID else Amounts(tokens=row.usage.total, cost=row.cost),
        )
        for row in desk.ledger.rows
    ]
    assert desk.book.in_flight == 0
    assert desk.book.oldest_held() is None


@settings(max_examples=100)
@given(told=stories(), data=st.data())
def test_order_of_records_does_not_matter(told: list[Story], data: st.DataObject) -> None:
    """All records in any order give the same rows as in Envoy's order."""
    records = [record for story in told for record in story.records]
    shuffled = data.draw(st.permutations(records))

    async def rows(order: list[Record]) -> dict[AttemptKey, tuple[RowState, Usage, int]]:
        desk = Desk()
        for story in told:
            for n in range(1, story.attempts + 1):
                await desk.book.open(intent(story.stream_id, n))
        for record in order:
            await desk.book.on_record(record)
        assert desk.book.in_flight == 0
        return {r.intent.key: (r.state, r.usage, r.cost) for r in desk.ledger.rows}

    assert run(rows(list(shuffled))) == run(rows(records))


def test_usage_belongs_to_the_last_attempt() -> None:
    """A fallback's figures are charged to it alone; what failed before costs nothing."""

    async def main() -> None:
        desk = Desk()
        await desk.book.open(intent(attempt=1))
        await desk.book.on_record(attempt_end(1, 503))
        await desk.book.open(intent(attempt=2))
        await desk.book.on_record(attempt_end(2, 200))
        await desk.book.on_record(request_end(2))

        first, second = desk.ledger.rows
        assert (first.reason, first.usage, first.cost) == ("error_status", Usage(), 0)
        assert (second.reason, second.usage) == ("usage", Usage(input=800, output=200))

    run(main())


def test_lost_record_of_an_earlier_attempt() -> None:
    """An attempt that was followed by another and left no record is unknown, not forgotten."""

    async def main() -> None:
        desk = Desk()
        await desk.book.open(intent(attempt=1))
        await desk.book.open(intent(attempt=2))
        await desk.book.on_record(attempt_end(2, 200))
        await desk.book.on_record(request_end(2))
        assert desk.states() == {("s", 2): RowState.SETTLED}
        desk.clock.now += GRACE_MS
        await desk.book.expire(desk.clock.now)

        assert desk.states()["s", 1] is RowState.UNKNOWN
        assert desk.ledger.rows[-1].reason == "record_lost"
        assert desk.ledger.rows[-1].cost == intent().cost_bound

    run(main())


def test_an_attempt_that_ended_gives_its_place_up_though_its_row_waits() -> None:
    """Its own record came, and its request's is lost: only what it used is waited for."""
    desk = Desk()

    async def story() -> None:
        await desk.book.open(intent("s"))
        await desk.book.on_attempt_end(attempt_end(1, 200))
        await desk.book.expire(desk.clock.now + GRACE_MS - 1)
        assert desk.store.released == []
        for _ in range(2):
            await desk.book.expire(desk.clock.now + GRACE_MS)
        assert desk.store.released == [("s", 1)]
        assert (desk.ledger.rows, desk.book.in_flight) == ([], 1)
        await desk.settle_all()

    run(story())
    assert [(row.state, row.reason) for row in desk.ledger.rows] == [
        (RowState.ESTIMATED, "record_lost")
    ]
    assert desk.store.released == [("s", 1)]


def test_attempts_of_a_dead_envoy_are_unknown() -> None:
    """What was open when Envoy died is charged as reserved; what came after goes on."""

    async def main() -> None:
        desk = Desk()
        await desk.book.open(intent("old"))
        await desk.book.open(intent("new", admitted_at=START + 10))
        await desk.book.expire(START + 11, envoy_started_at=START + 5)

        assert desk.states() == {("old", 1): RowState.UNKNOWN}
        assert desk.ledger.rows[0].reason == "envoy_died"
        assert desk.store.posted == [(("old", 1), Amounts(1_500, intent().cost_bound))]
        assert desk.book.in_flight == 1

    run(main())


def test_caller_who_left_during_admission_is_voided() -> None:
    """A request's end that overtakes its intent proves that nothing left."""

    async def main() -> None:
        desk = Desk()
        await desk.book.on_record(RequestEnd(id="s", n=0, s=0, f="DC"))
        await desk.book.open(intent())

        assert desk.states() == {("s", 1): RowState.VOID}
        assert desk.book.in_flight == 0

    run(main())


def test_an_admission_that_nobody_heard_of_is_voided() -> None:
    """At once, with its row; what is not open is left alone."""
    desk = Desk()

    async def story() -> None:
        await desk.book.open(intent("s"))
        await desk.book.abandon(("s", 2))
        await desk.book.abandon(("s", 1))
        await desk.book.abandon(("s", 1))

    run(story())
    assert [(row.state, row.reason) for row in desk.ledger.rows] == [(RowState.VOID, "never_left")]
    assert (desk.store.posted, desk.book.in_flight) == ([(("s", 1), None)], 0)


def test_unwritable_journal_opens_nothing() -> None:
    """Without an intent in the journal there is no attempt; a disk that fails late voids it."""

    async def main() -> None:
        desk = Desk()
        desk.journal.full = True
        with pytest.raises(JournalUnwritableError):
            await desk.book.open(intent("a"))
        assert (desk.book.in_flight, desk.ledger.rows, desk.store.posted) == (0, [], [])

        desk.journal.full, desk.journal.fails = False, True
        with pytest.raises(JournalUnwritableError):
            await desk.book.open(intent("b"))
        assert desk.states() == {("b", 1): RowState.VOID}
        assert desk.book.in_flight == 0

    run(main())


def test_outcome_waits_for_the_journal() -> None:
    """A row that the journal can't take counts in the limits at once and is written later."""

    async def main() -> None:
        desk = Desk()
        await desk.book.open(intent())
        desk.journal.full = True
        await desk.book.on_record(attempt_end(1, 503))
        assert desk.store.posted == [(("s", 1), Amounts(0, 0))]
        assert desk.ledger.rows == []
        await desk.book.retry()
        assert desk.ledger.rows == []
        desk.journal.full = False
        await desk.book.retry()
        await desk.book.retry()

        assert desk.states() == {("s", 1): RowState.SETTLED}
        assert len(desk.ledger.rows) == 1

    run(main())


def test_settle_waits_for_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is away is told later; the row is not held up by it."""

    async def main() -> None:
        desk = Desk()

        async def away(key: AttemptKey, actual: Amounts, now: int) -> int:
            raise BailiwickError("away")

        await desk.book.open(intent())
        with monkeypatch.context() as patch:
            patch.setattr(desk.store, "settle", away)
            await desk.book.on_record(attempt_end(1, 503))
            await desk.book.retry()
        assert len(desk.ledger.rows) == 1
        assert desk.store.posted == []
        await desk.book.retry()
        await desk.book.retry()

        assert desk.store.posted == [(("s", 1), Amounts(0, 0))]

    run(main())


def test_attempt_can_not_open_twice() -> None:
    """The same attempt is refused while it is open, and not journalled again."""

    async def main() -> None:
        desk = Desk()
        await desk.book.open(intent())
        with pytest.raises(DuplicateAttemptError):
            await desk.book.open(intent())
        assert len(desk.journal.records) == 1

    run(main())


def test_waiting_for_an_end() -> None:
    """A further attempt learns as soon as the one before has its row, or that it has none yet."""

    async def main() -> None:
        desk = Desk()
        assert await desk.book.ended(("s", 1), 0)
        await desk.book.open(intent())
        assert not await desk.book.ended(("s", 1), 0.001)

        async def end() -> None:
            await desk.book.on_record(attempt_end(1, 503))

        waiting = asyncio.ensure_future(desk.book.ended(("s", 1), 30))
        await asyncio.sleep(0)
        await end()
        assert await waiting

    run(main())


def test_oldest_held_record_is_known() -> None:
    """A restart reads again from the first record that no row was made of."""

    async def main() -> None:
        desk = Desk()
        await desk.book.open(intent("a"))
        await desk.book.open(intent("b"))
        await desk.book.on_record(attempt_end(1, 200, stream_id="a"), 100)
        await desk.book.on_record(attempt_end(1, 200, stream_id="b"), 200)
        assert desk.book.oldest_held() == 100
        await desk.book.on_record(request_end(1, stream_id="a"), 300)
        assert desk.book.oldest_held() == 200
        await desk.book.on_record(request_end(1, stream_id="b"), 400)
        assert desk.book.oldest_held() is None

    run(main())


def test_remembered_ends_are_bounded() -> None:
    """Calls that were refused leave nothing behind that grows."""

    async def main() -> None:
        desk = Desk()
        for number in range(20_000):
            await desk.book.on_record(RequestEnd(id=f"refused-{number}", n=0))
        assert len(desk.book._ended) < 10_000
        assert desk.book.strays == 20_000

    run(main())
