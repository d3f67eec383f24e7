"""The table of keys: what frees one, what spends it, what a restart remembers, what is bounded."""

import base64
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bailiwick_sidecar.accounting.model import Intent, Row, RowState, Usage
from bailiwick_sidecar.admission.errors import RefusedError
from bailiwick_sidecar.admission.identity import Identity
from bailiwick_sidecar.idempotency import keys as table
from bailiwick_sidecar.idempotency.keyfile import NAME, KeyFile
from bailiwick_sidecar.idempotency.keys import KeyedCalls
from bailiwick_sidecar.idempotency.model import ANSWER_MS, KEY_MS, LATE_MS
from bailiwick_sidecar.idempotency.scope import caller_hash, key_hash
from bailiwick_sidecar.quota.model import Caller

MINUTE = 60_000


def row(stream: str, state: RowState, reason: str, attempt: int = 1) -> Row:
    """How an attempt of this call ended."""
    intent = Intent(
        key=(stream, attempt), admitted_at=0, deadline=MINUTE,
        caller=Caller("t", "", "u", "r", "s"), cost_center="", tags=(), backend="b",
        provider="p", model="m", alias="a", operation="chat", stream=False, input_bound=1,
        output_bound=1, cost_bound=0, price_source="", rates=(0, 0, 0, 0, 0, 0, 0),
    )  # fmt: skip
    return Row(intent, state, 0, 200, Usage(), 0, 0, 0, reason)


@dataclass
class World:
    """A table over a real file, a clock that is moved, and calls that are on the books."""

    directory: Path
    now: int = 1_000_000
    open: set[str] = field(default_factory=set)
    write: Callable[[int, bytes], int] = os.write

    def table(self, **options: int) -> KeyedCalls:
        file = KeyFile(self.directory, write=self.written)
        keyed = KeyedCalls(
            file, clock=lambda: self.now, under_way=lambda s: s in self.open, **options
        )
        keyed.recover()
        return keyed

    def written(self, fd: int, data: bytes) -> int:
        return self.write(fd, data)

    def take(self, keyed: KeyedCalls, key: str = "k", stream: str = "s1", call: str = "c") -> None:
        assert keyed.find("me", key, call) is None
        keyed.take("me", key, call, stream=stream, deadline=self.now + MINUTE)
        self.open.add(stream)

    def answer(self, keyed: KeyedCalls, stream: str = "s1", body: bytes = b"{}") -> None:
        keyed.answered(stream, status=200, media="application/json", body=body)
        self.end(keyed, stream)

    def end(
        self, keyed: KeyedCalls, stream: str = "s1", state: RowState = RowState.SETTLED,
        reason: str = "usage",
    ) -> None:  # fmt: skip
        self.open.discard(stream)
        keyed.row(row(stream, state, reason))
        keyed.ended(stream)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "idempotency")


def found(keyed: KeyedCalls, key: str = "k", call: str = "c") -> str:
    """`new`, `answer`, or the code that the caller reads."""
    try:
        answer = keyed.find("me", key, call)
    except RefusedError as error:
        return error.refusal.code
    return "new" if answer is None else "answer"


def test_a_call_is_open_then_answered(world: World) -> None:
    """And another call under its key is refused all the while."""
    keyed = world.table()
    world.take(keyed)
    assert (found(keyed), found(keyed, call="x")) == (
        "idempotency_in_flight", "idempotency_mismatch",
    )  # fmt: skip

    world.answer(keyed, body=b'{"a":1}')

    answer = keyed.find("me", "k", "c")
    assert answer is not None
    assert (answer.status, answer.body) == (200, b'{"a":1}')
    assert found(keyed, call="x") == "idempotency_mismatch"


@pytest.mark.parametrize(
    ("state", "reason", "then"),
    [
        (RowState.SETTLED, "error_status", "new"),
        (RowState.VOID, "connect_failure", "new"),
        (RowState.SETTLED, "usage", "idempotency_not_replayable"),
        (RowState.SETTLED, "flat", "idempotency_not_replayable"),
        (RowState.ESTIMATED, "client_disconnect", "idempotency_not_replayable"),
        (RowState.UNKNOWN, "envoy_died", "idempotency_not_replayable"),
    ],
)
@pytest.mark.parametrize("row_first", [True, False])
def test_only_what_was_not_charged_may_be_made_again(
    world: World, state: RowState, reason: str, then: str, *, row_first: bool
) -> None:
    """Whichever comes first, the row or the request's record."""
    keyed = world.table()
    world.take(keyed)
    if row_first:
        world.open.clear()
        keyed.row(row("s1", state, reason))
        keyed.ended("s1")
    else:
        keyed.ended("s1")
        assert found(keyed) == "idempotency_in_flight"
        world.open.clear()
        keyed.row(row("s1", state, reason))

    assert found(keyed) == then


def test_one_charged_attempt_among_free_ones_spends_the_key(world: World) -> None:
    """A first attempt that was cut is charged, whatever the second answers."""
    keyed = world.table()
    world.take(keyed)
    keyed.row(row("s1", RowState.ESTIMATED, "timeout"))
    assert found(keyed) == "idempotency_in_flight", "a further attempt may still come"
    world.open.clear()
    keyed.row(row("s1", RowState.SETTLED, "error_status", 2))
    keyed.ended("s1")

    assert found(keyed) == "idempotency_not_replayable"


def test_what_was_refused_frees_its_key(world: World) -> None:
    """And a release of a call that has no key, or another's, changes nothing."""
    keyed = world.table()
    world.take(keyed)
    keyed.release("other")
    assert found(keyed) == "idempotency_in_flight"

    keyed.release("s1")

    assert (found(keyed), len(keyed)) == ("new", 0)


def test_times(world: World) -> None:
    """Answers for an hour, keys for a day, and no longer."""
    keyed = world.table()
    world.take(keyed)
    world.answer(keyed)
    for passed, then in [
        (ANSWER_MS - 1, "answer"),
        (ANSWER_MS, "idempotency_not_replayable"),
        (KEY_MS - 1, "idempotency_not_replayable"),
        (KEY_MS, "new"),
    ]:
        world.now = 1_000_000 + passed
        keyed.sweep(world.now)
        assert found(keyed) == then, passed
    assert (len(keyed), keyed.kept_bytes) == (0, 0)


def test_a_call_whose_end_was_never_seen_is_given_up(world: World) -> None:
    """A minute after its deadline it counts as made."""
    keyed = world.table()
    world.take(keyed)
    keyed.sweep(world.now + MINUTE + LATE_MS)
    assert found(keyed) == "idempotency_in_flight"

    keyed.sweep(world.now + MINUTE + LATE_MS + 1)

    assert found(keyed) == "idempotency_not_replayable"


def test_a_restart_forgets_answers_and_no_keys(world: World) -> None:
    """Made before: not again. Free before: free. Under way: until its end is known."""
    keyed = world.table()
    for key, stream in [("made", "s1"), ("free", "s2"), ("flying", "s3"), ("lost", "s4")]:
        world.take(keyed, key, stream)
    world.answer(keyed, "s1")
    world.end(keyed, "s2", RowState.SETTLED, "error_status")
    world.open.discard("s4")
    keyed.close()

    again = world.table()

    assert [found(again, key) for key in ("made", "free", "flying", "lost")] == [
        "idempotency_not_replayable", "new", "idempotency_in_flight", "idempotency_not_replayable",
    ]  # fmt: skip
    again.answered("s3", status=200, media="application/json", body=b"{}")
    assert found(again, "flying") == "answer", "its answer came to the new process"


def test_a_call_of_the_process_before_is_never_freed(world: World) -> None:
    """What its attempts cost is not known any more."""
    keyed = world.table()
    world.take(keyed)
    keyed.close()
    again = world.table()

    world.end(again, state=RowState.SETTLED, reason="error_status")

    assert found(again) == "idempotency_not_replayable"


def test_lines_that_mean_nothing_are_passed_over(world: World) -> None:
    """Torn, foreign or glued ones."""
    keyed = world.table()
    world.take(keyed)
    keyed.close()
    file = world.directory / NAME
    file.write_bytes(b'["o","x"]\n{}\nnope\n' + file.read_bytes() + b'["o","me","torn"')

    assert found(world.table()) == "idempotency_in_flight"


def test_no_call_leaves_whose_key_is_not_written(world: World) -> None:
    """A full disk refuses keyed calls, and says so."""
    keyed = world.table()
    world.write = lambda _fd, _data: 0

    with pytest.raises(RefusedError) as caught:
        keyed.take("me", "k", "c", stream="s1", deadline=MINUTE)

    assert caught.value.refusal.code == "accounting_unavailable"
    assert len(keyed) == 0


def test_answers_are_bounded_in_bytes(world: World) -> None:
    """The oldest goes first; one that is larger than all of it is not kept."""
    keyed = world.table(answers_bytes=100)
    for number in range(4):
        world.take(keyed, f"k{number}", f"s{number}")
        world.answer(keyed, f"s{number}", b"x" * 40)
    world.take(keyed, "huge", "s9")
    world.answer(keyed, "s9", b"x" * 101)

    assert [found(keyed, f"k{number}") for number in range(4)] == [
        "idempotency_not_replayable", "idempotency_not_replayable", "answer", "answer",
    ]  # fmt: skip
    assert found(keyed, "huge") == "idempotency_not_replayable"
    assert keyed.kept_bytes == 80


def test_keys_are_bounded_by_caller_and_in_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who makes up keys forgets his own first."""
    monkeypatch.setattr(table, "MAX_KEYS_OF_CALLER", 3)
    monkeypatch.setattr(table, "MAX_KEYS", 5)
    keyed = world.table()
    for caller, count in (("me", 5), ("you", 4)):
        for number in range(count):
            key = f"{caller}{number}"
            keyed.take(caller, key, "c", stream=key, deadline=MINUTE)

    assert len(keyed) == 5
    assert [keyed.is_open(f"me{number}") for number in range(5)] == [False] * 3 + [True] * 2
    assert [keyed.is_open(f"you{number}") for number in range(4)] == [False, True, True, True]


def test_the_file_is_written_anew_when_it_grows(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds what counts, once."""
    monkeypatch.setattr(table, "COMPACT_LINES", 10)
    keyed = world.table()
    for number in range(20):
        world.take(keyed, "k", f"s{number}")
        keyed.release(f"s{number}")
    world.take(keyed)
    keyed.sweep(world.now)

    assert len((world.directory / NAME).read_text().splitlines()) == 1
    keyed.close()
    assert found(world.table()) == "idempotency_in_flight"


def payload(claims: str) -> str:

    return base64.urlsafe_b64encode(claims.encode()).rstrip(b"=").decode()


def test_a_caller_is_all_that_is_verified_of_him() -> None:
    """Issuer, subject, team, project, user and namespace each make another caller."""
    who = Identity("t", "p", "u", "")
    base = caller_hash("ns", who, payload('{"iss":"i","sub":"s"}'))
    others = [
        caller_hash("ns2", who, payload('{"iss":"i","sub":"s"}')),
        caller_hash("ns", who, payload('{"iss":"i2","sub":"s"}')),
        caller_hash("ns", who, payload('{"iss":"i","sub":"s2"}')),
        caller_hash("ns", Identity("t2", "p", "u", ""), payload('{"iss":"i","sub":"s"}')),
        caller_hash("ns", Identity("t", "p2", "u", ""), payload('{"iss":"i","sub":"s"}')),
        caller_hash("ns", Identity("t", "p", "u2", ""), payload('{"iss":"i","sub":"s"}')),
        caller_hash("ns", Identity("tp", "", "u", ""), payload('{"iss":"i","sub":"s"}')),
    ]

    assert len({base, *others}) == len(others) + 1
    assert len({key_hash(caller, "k") for caller in (base, *others)}) == len(others) + 1


def test_a_token_that_names_nobody_has_no_keys() -> None:
    """Its keys would be shared with everybody else of the team."""
    with pytest.raises(RefusedError) as caught:
        caller_hash("ns", Identity("t", "", "", ""), payload('{"iss":"i"}'))

    assert caught.value.refusal.code == "invalid_value"
