"""When a namespace that leaves its tenant may go: refused, settled, shipped; or given up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bailiwick_contract.v1.config_stream_pb2 import Ack, Remainder, TypeState
from bailiwick_operator.conditions import Reason
from bailiwick_operator.departure import Left, Wait, left_of, may_go
from bailiwick_operator.publish.acks import DependencyWord, PodAck, Verdict, read_ack
from bailiwick_operator.publish.hub import Version
from bailiwick_operator.world import PodState

DENY = Version(sequence=7, digest="d")
BEGAN = datetime(2026, 7, 1, tzinfo=UTC)
POD = PodState(name="gw-a", uid="a", ready=True, alive=True)
JOURNAL = "/var/lib/bailiwick/journal"


def ack(**left: int | bool | str) -> PodAck:
    """What the pod's agent says on the wire, as the operator reads it."""
    word = Ack(sequence=7, digest="d", types=[TypeState(state=TypeState.STATE_ACKED)])
    if left:
        word.remainder.CopyFrom(Remainder(**left))  # type: ignore[arg-type]  # fields by name
    return read_ack(word, pod="gw-a")


def verdict(left: Left, *, seconds: float, longest: float = 600, heard: bool = True) -> object:
    return may_go(
        left,
        leaving_since=BEGAN.isoformat(),
        now=BEGAN + timedelta(seconds=seconds),
        longest=longest,
        heard=heard,
    )


def test_a_gateway_goes_once_nothing_is_left() -> None:
    """It refuses calls, none is under way, and the ledger has every row."""
    left = left_of(DENY, pods=[POD], acks={"a": ack(shipped=True, place=JOURNAL)})

    found = verdict(left, seconds=1)

    assert isinstance(found, Verdict)
    assert found.reason is Reason.SETTLED


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (None, "pod gw-a does not say that it refuses calls"),
        (replace(ack(shipped=True), version=Version(6, "c")), "does not say that it refuses"),
        (replace(ack(shipped=True), serving=False, refused="Cluster: no"), "calls: Cluster: no"),
        (ack(), "does not say whether its rows are in the ledger"),
        (ack(in_flight=2, shipped=True), "pod gw-a has 2 calls under way"),
        (ack(rows=12, place=JOURNAL), f"has 12 rows in {JOURNAL} that the ledger has not"),
    ],
)
def test_it_is_waited_for_what_is_left(said: PodAck | None, words: str) -> None:
    """A pod that was not heard, has calls, or has rows keeps the namespace, and says why."""
    left = left_of(DENY, pods=[POD], acks={"a": said} if said else {})

    assert isinstance(verdict(left, seconds=1), Wait)
    assert words in left.words


def test_what_is_lost_is_said() -> None:
    """After its time a namespace goes all the same: how many rows, where, and why not shipped."""
    away = DependencyWord("ledger", "Failing", "", "the collector keeps no rows (UNAVAILABLE)")
    said = replace(ack(rows=12, place=JOURNAL), away=(away,))
    left = left_of(DENY, pods=[POD], acks={"a": said})

    assert isinstance(verdict(left, seconds=599), Wait)
    found = verdict(left, seconds=600)
    assert isinstance(found, Verdict)
    assert found.reason is Reason.NOT_SETTLED
    assert found.message.startswith("Given up after 600 s: pod gw-a has 12 rows in " + JOURNAL)
    assert "UNAVAILABLE" in found.message


def test_a_gateway_that_may_still_serve_goes_sooner() -> None:
    """One that does not say that it refuses calls has two minutes, however long rows may take.

    After the operator's own start the time begins with the gateways' return.
    """
    left = left_of(DENY, pods=[POD], acks={})

    assert isinstance(verdict(left, seconds=119), Wait)
    assert isinstance(verdict(left, seconds=3600, heard=False), Wait)
    found = verdict(left, seconds=120)
    assert isinstance(found, Verdict)
    assert found.reason is Reason.NOT_SETTLED


def test_only_pods_that_can_have_rows_are_waited_for() -> None:
    """Not one that never ran, nor one that ended; one that terminates is."""
    idle = replace(POD, ready=False, alive=False)
    terminating = replace(POD, ready=False)

    assert left_of(DENY, pods=[idle], acks={}).pods == 0
    assert left_of(DENY, pods=[terminating], acks={}).unheard
