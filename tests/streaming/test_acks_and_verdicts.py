"""Programmed means that every ready pod serves exactly this version; a refusal says why."""

import pytest

from bailiwick_contract.v1.config_stream_pb2 import Ack, TypeState
from bailiwick_operator.conditions import Reason
from bailiwick_operator.publish.acks import AckBoard, PodAck, judge, read_ack
from bailiwick_operator.publish.hub import Version

NEW, OLD = Version(7, "new"), Version(6, "old")


def ack(*states: "TypeState.State", error: str = "", words: str = "") -> PodAck:
    types = [TypeState(type_url="x/Cluster", state=state, error=words) for state in states]
    return read_ack(Ack(sequence=7, digest="new", types=types, error=error), pod="pod-a")


def serving(version: Version, pod: str = "pod-a") -> PodAck:
    return PodAck(pod=pod, version=version, serving=True, refused="")


@pytest.mark.parametrize(
    "state",
    [TypeState.STATE_PENDING, TypeState.STATE_WARMING, TypeState.STATE_UNSPECIFIED],
)
def test_one_type_that_is_not_served_is_not_serving(state: "TypeState.State") -> None:
    """All types count: one that is pending or warms keeps the pod from serving."""
    assert not ack(TypeState.STATE_ACKED, state).serving


def test_a_word_without_types_is_not_serving() -> None:
    """A pod that was sent a config but has not translated it does not serve it."""
    assert not ack().serving


def test_every_type_acknowledged_is_serving() -> None:
    """All types accepted, nothing warming: it serves."""
    assert ack(TypeState.STATE_ACKED, TypeState.STATE_ACKED).serving


def test_a_refusal_carries_the_words_of_envoy() -> None:
    """What Envoy said is what a person reads, with the type and the pod."""
    said = ack(TypeState.STATE_NACKED, words="duplicate cluster b-1")

    verdict = judge(NEW, ready={"uid": "pod-a"}, acks={"uid": said})

    assert verdict.reason is Reason.CONFIG_REFUSED
    assert "pod-a" in verdict.message
    assert "Cluster: duplicate cluster b-1" in verdict.message


def test_a_refusal_by_a_pod_that_is_not_ready_counts() -> None:
    """A new pod that refuses the config never becomes ready: it is what must be reported."""
    said = ack(error="contract version 9")

    verdict = judge(NEW, ready={"b": "pod-b"}, acks={"a": said, "b": serving(NEW, "pod-b")})

    assert verdict.reason is Reason.CONFIG_REFUSED


def test_a_refusal_of_an_older_config_is_past() -> None:
    """Once a newer config is out, what was said of the one before it does not count."""
    old = PodAck(pod="pod-a", version=OLD, serving=False, refused="bad")

    assert judge(NEW, ready={"a": "pod-a"}, acks={"a": old}).reason is Reason.PROPAGATING


def test_no_ready_pod_is_not_programmed() -> None:
    """Nobody serves what nobody runs."""
    assert judge(NEW, ready={}, acks={"a": serving(NEW)}).reason is Reason.NO_READY_REPLICA


def test_every_ready_pod_counts() -> None:
    """One ready pod that is silent or behind is enough for False; all of them for True."""
    ready = {"a": "pod-a", "b": "pod-b"}

    silent = judge(NEW, ready=ready, acks={"a": serving(NEW)})
    behind = judge(NEW, ready=ready, acks={"a": serving(NEW), "b": serving(OLD, "pod-b")})
    whole = judge(NEW, ready=ready, acks={"a": serving(NEW), "b": serving(NEW, "pod-b")})

    assert silent.reason is behind.reason is Reason.PROPAGATING
    assert "pod-b" in silent.message
    assert "pod-b" in behind.message
    assert whole.programmed


def test_the_same_sequence_with_another_digest_is_another_config() -> None:
    """Sequence and digest both have to be those that are out."""
    other = serving(Version(NEW.sequence, "other"))

    assert not judge(NEW, ready={"a": "pod-a"}, acks={"a": other}).programmed


def test_board_speaks_up_only_when_something_changed() -> None:
    """Repeating oneself wakes nobody; pods that are gone are forgotten."""
    woken: list[str] = []
    board = AckBoard(changed=woken.append, monotonic=lambda: 0.0)

    board.record(namespace="ns", uid="a", ack=serving(NEW))
    board.record(namespace="ns", uid="a", ack=serving(NEW))
    board.record(namespace="ns", uid="b", ack=serving(NEW, "pod-b"))

    assert woken == ["ns", "ns"]
    board.keep("ns", {"b"})
    assert set(board.of("ns")) == {"b"}


def test_long_words_are_cut() -> None:
    """A refusal of any length fits into a status."""
    assert len(ack(error="x" * 100_000).refused) == 1024
