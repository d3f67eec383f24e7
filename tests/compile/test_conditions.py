"""Conditions: what they say, and when their time moves."""

from datetime import UTC, datetime, timedelta, timezone

from bailiwick_operator.conditions import (
    MAX_MESSAGE,
    Condition,
    ConditionType,
    Reason,
    Status,
    merge,
)

MORNING = datetime(2026, 10, 1, 8, 0, 0, 999, tzinfo=UTC)
NOON = MORNING + timedelta(hours=4)


def condition(
    status: Status = Status.TRUE,
    *,
    at: datetime = MORNING,
    message: str = "",
    type_: ConditionType = ConditionType.ACCEPTED,
) -> Condition:
    return Condition(
        type=type_,
        status=status,
        reason=Reason.ACCEPTED,
        message=message,
        observed_generation=3,
        last_transition_time=at,
    )


def test_the_time_moves_only_with_the_status() -> None:
    """The same status at noon keeps the morning's time, another one takes the noon's."""
    (same,) = merge([condition()], condition(at=NOON, message="new words"))
    (turned,) = merge([condition()], condition(Status.FALSE, at=NOON))

    assert same.last_transition_time == MORNING.replace(microsecond=0)
    assert same.message == "new words"
    assert turned.last_transition_time == NOON.replace(microsecond=0)


def test_other_conditions_stay_and_the_order_is_fixed() -> None:
    """Merging one type leaves the others as they are, sorted by type."""
    existing = [condition(type_=ConditionType.PROGRAMMED), condition()]

    merged = merge(existing, condition(Status.FALSE, type_=ConditionType.DEGRADED))

    assert [one.type for one in merged] == ["Accepted", "Degraded", "Programmed"]


def test_a_condition_is_what_the_api_server_keeps() -> None:
    """RFC 3339 in UTC with whole seconds, and every required field."""
    local = MORNING.astimezone(timezone(timedelta(hours=2)))

    assert condition(at=local).to_dict() == {
        "type": "Accepted",
        "status": "True",
        "reason": "Accepted",
        "message": "",
        "observedGeneration": 3,
        "lastTransitionTime": "2026-10-01T08:00:00Z",
    }


def test_a_message_fits_the_api_server() -> None:
    """A longer one is cut, and shows that it was."""
    message = condition(message="x" * (MAX_MESSAGE + 1)).message

    assert len(message) == MAX_MESSAGE
    assert message.endswith("…")


def test_every_reason_is_one_word() -> None:
    """Reasons are CamelCase, as the API machinery wants them."""
    assert all(reason.value.isalnum() and reason.value[0].isupper() for reason in Reason)
