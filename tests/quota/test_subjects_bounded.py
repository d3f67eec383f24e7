"""Callers choose how many subjects there are; memory does not follow them."""

from quota.building import KIND, NOW, ask, caller, denied, engine, granted, limit, used

from bailiwick_sidecar.quota.model import Amounts, Caller, DenialReason

USER = ["user"]


def user(number: int) -> Caller:
    return caller(user=f"u{number}")


def test_idle_counters_make_room() -> None:
    """A subject whose window is over gives its place to a new one."""
    limits = engine(limit("rpm", KIND.REQUESTS_PER_MINUTE, 5, each=USER), max_subjects=3)
    for number in range(3):
        granted(limits, number, by=user(number), now=NOW + number)

    granted(limits, "new", by=user(3), now=NOW + 60_000)

    assert limits.subjects <= 3


def test_no_room_is_a_refusal_with_its_reason() -> None:
    """Where every counter is in use a new subject is refused, not let through uncounted."""
    limits = engine(
        limit("rpm", KIND.REQUESTS_PER_MINUTE, 5, each=USER),
        limit("tenant", KIND.TOKENS_PER_MINUTE, 100),
        max_subjects=2,
    )
    granted(limits, 1, by=user(1))
    granted(limits, 2, by=user(2))

    denial = denied(limits, 3, by=user(3))

    assert DenialReason.TOO_MANY_SUBJECTS is denial.reason
    assert [(state.limit_id, state.subject, state.used) for state in denial.limits] == [
        ("rpm", (("user", "u3"),), 0)
    ]
    assert denial.retry_after == NOW + 1_000
    assert (limits.subjects, used(limits, "tenant")) == (2, 2)


def test_who_has_a_counter_keeps_it() -> None:
    """Newcomers push nobody out who is in use, and known subjects go on."""
    limits = engine(limit("rpm", KIND.REQUESTS_PER_MINUTE, 2, each=USER), max_subjects=2)
    granted(limits, 1, by=user(1))
    granted(limits, 2, by=user(2))
    for number in range(3, 50):
        denied(limits, number, by=user(number))

    granted(limits, 100, by=user(1))
    denial = denied(limits, 101, by=user(1))

    assert DenialReason.LIMIT is denial.reason


def test_a_shadow_limit_without_room_refuses_nothing() -> None:
    """What only watches lets a new subject pass uncounted, and counts it when there is room."""
    limits = engine(
        limit("rpm", KIND.REQUESTS_PER_MINUTE, 5, each=USER, shadow=True), max_subjects=1
    )
    granted(limits, 1, by=user(1))

    granted(limits, 2, by=user(2))
    granted(limits, 3, by=user(2), now=NOW + 60_000)

    assert used(limits, "rpm", by=user(2), now=NOW + 60_000) == 1


def test_refused_calls_hold_no_place() -> None:
    """A counter that was made for a call which another limit refused is free again."""
    limits = engine(
        limit("month", KIND.TOKENS_PER_MONTH, 100, each=USER),
        limit("tenant", KIND.CONCURRENT_REQUESTS, 1),
        max_subjects=10,
    )
    key = granted(limits, 0, by=user(0))
    for number in range(1, 1_000):
        denied(limits, number, by=user(number))
    limits.release(key, NOW)

    granted(limits, "last", by=user(2_000))
    assert limits.subjects <= 10


def test_leases_that_ended_hold_no_place() -> None:
    """A long call at the head of the queue does not keep idle ones from being dropped."""
    limits = engine(limit("c", KIND.CONCURRENT_REQUESTS, 1, each=USER), max_subjects=3)
    granted(limits, "long", by=user(0))
    for number in range(1, 100):
        limits.settle(granted(limits, number, by=user(number)), Amounts(0, 0), NOW)

    denied(limits, "again", by=user(0))
    assert limits.subjects <= 3


def test_dropping_a_counter_frees_nothing_that_counts() -> None:
    """A month's counter stays for its month, however many others come and go."""
    limits = engine(
        limit("month", KIND.TOKENS_PER_MONTH, 10, each=USER),
        limit("rps", KIND.REQUESTS_PER_SECOND, 10, each=USER),
        max_subjects=8,
    )
    granted(limits, "first", tokens=10, by=user(0))
    for number in range(1, 4):
        granted(limits, number, by=user(number), now=NOW + 2_000 * number)
    for number in range(4, 50):
        limits.reserve(ask(number, by=user(number), now=NOW + 10_000), NOW + 10_000)

    denied(limits, "more", tokens=1, by=user(0), now=NOW + 86_400_000)


def test_expire_drops_what_is_idle() -> None:
    """Without new subjects idle counters go all the same."""
    limits = engine(limit("rpm", KIND.REQUESTS_PER_MINUTE, 5, each=USER))
    for number in range(500):
        granted(limits, number, by=user(number))

    limits.expire(NOW + 59_999)
    assert limits.subjects == 500
    limits.expire(NOW + 60_000)
    assert limits.subjects == 0


def test_a_dropped_counter_is_not_used_by_a_plan_that_remembers_it() -> None:
    """After a pause a caller counts in the counter that everyone sees."""
    limits = engine(limit("rpm", KIND.REQUESTS_PER_MINUTE, 1, each=USER))
    granted(limits, 1)
    limits.expire(NOW + 60_000)

    granted(limits, 2, now=NOW + 60_000)
    denied(limits, 3, by=caller(route="smart"), now=NOW + 60_001)


def test_more_callers_than_are_remembered() -> None:
    """Forgetting which limits apply to a caller forgets nothing of what was used."""
    limits = engine(limit("rpm", KIND.REQUESTS_PER_MINUTE, 1, each=USER), max_callers=2)
    for number in range(10):
        granted(limits, number, by=user(number))

    for number in range(10):
        denied(limits, f"again-{number}", by=user(number))
