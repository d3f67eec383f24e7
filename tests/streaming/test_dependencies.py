"""What pods say of the store and of their ledger becomes the Tenant's condition."""

from datetime import UTC, datetime

from bailiwick_contract.v1.config_stream_pb2 import Ack, PodIdentity
from bailiwick_operator.conditions import Condition, ConditionType, Reason, Status
from bailiwick_operator.degraded import with_dependencies
from bailiwick_operator.publish.acks import AckBoard, PodAck, read_ack
from bailiwick_sidecar.config.status import Status as AgentStatus
from bailiwick_sidecar.config.stream import acknowledgement
from bailiwick_sidecar.keyring import Degraded

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STORE = Degraded("quota-store", "Unreachable", "2025-12-31", "the store does not answer")
LEDGER = Degraded("ledger", "Failing", "2025-12-30", "the collector keeps no rows")


def said(*facts: Degraded, pod: str = "pod-a") -> PodAck:
    """The facts as they come through the stream."""
    status = AgentStatus(
        pid=1, desired="d", acked="d", sequence=7, error="", ready=True, reasons=(), warnings=(),
        degraded=facts,
    )  # fmt: skip
    word = acknowledgement(status, digest="d", pod=PodIdentity(name=pod))
    return read_ack(Ack.FromString(word.SerializeToString()), pod=pod)


def keys(status: Status = Status.FALSE, reason: Reason = Reason.HEALTHY) -> Condition:
    return Condition(ConditionType.DEGRADED, status, reason, "Of keys.", 3, NOW)


def test_what_is_away_is_told_once_for_each_namespace_worst_first() -> None:
    """By the pod that misses it for longest; what keys say follows."""
    older = Degraded("quota-store", "Unreachable", "2025-12-29", "gone for long")
    acks = {
        "prod": [said(LEDGER, STORE), said(older, pod="pod-b")],
        "dev": [said(LEDGER)],
    }
    sealed = keys(Status.TRUE, Reason.VAULT_SEALED)

    found = with_dependencies(sealed, acks, now=NOW)

    assert (found.status, found.reason) == (Status.TRUE, Reason.QUOTA_STORE_UNREACHABLE)
    assert found.message == (
        "namespace prod: gone for long (since 2025-12-29, says pod-b);"
        " namespace dev: the collector keeps no rows (since 2025-12-30, says pod-a);"
        " namespace prod: the collector keeps no rows (since 2025-12-30, says pod-a). Of keys."
    )


def test_without_news_the_condition_is_that_of_keys() -> None:
    """Healthy stays healthy; a dependency that a pod makes up is not taken over."""
    made_up = Degraded("moon", "Unreachable", "2025-12-31", "is dark")

    assert with_dependencies(keys(), {"prod": [said(), said(made_up)]}, now=NOW) == keys()


def test_a_store_that_lost_what_no_ledger_can_say_is_told() -> None:
    """Before the ledger itself, which is the cause: calls may be refused for it."""
    lost = Degraded("quota-store", "Incomplete", "2025-12-31", "the ledger can't say it")
    found = with_dependencies(keys(), {"prod": [said(LEDGER, lost)]}, now=NOW)

    assert found.reason is Reason.QUOTA_STORE_INCOMPLETE


def test_a_ledger_alone_is_enough() -> None:
    """The message does not carry the healthy word of keys."""
    found = with_dependencies(keys(), {"prod": [said(LEDGER)]}, now=NOW)

    assert (found.reason, found.message.endswith("says pod-a).")) == (Reason.LEDGER_FAILING, True)


def test_only_transitions_are_news() -> None:
    """Other words for the same outage wake nobody; its end does."""
    heard: list[str] = []
    board = AckBoard(changed=heard.append, monotonic=lambda: 0.0)
    other = Degraded(STORE.dependency, STORE.reason, STORE.since, "connection reset")

    for ack in (said(STORE), said(other), said(STORE), said()):
        board.record(namespace="prod", uid="u", ack=ack)

    assert heard == ["prod", "prod"]
