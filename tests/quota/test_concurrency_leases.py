"""Concurrent requests: as many as the limit says, and none held by the dead."""

import pytest
from quota.building import KIND, NOW, ask, caller, denied, engine, granted, limit, used

from bailiwick_sidecar.quota.engine import Engine
from bailiwick_sidecar.quota.model import Grant


@pytest.fixture
def ten() -> Engine:
    return engine(limit("ten", KIND.CONCURRENT_REQUESTS, 10))


def test_ten_of_a_hundred_at_once(ten: Engine) -> None:
    """Of a hundred that ask in the same ms exactly ten are admitted."""
    answers = [ten.reserve(ask(number), NOW) for number in range(100)]

    assert sum(isinstance(answer, Grant) for answer in answers) == 10


@pytest.mark.parametrize("end", ["settle", "void", "release"])
def test_an_end_makes_room_for_exactly_one(ten: Engine, end: str) -> None:
    """Settled, voided or released, once or twice: one lease comes back."""
    keys = [granted(ten, number) for number in range(10)]
    for _ in range(2):
        if end == "settle":
            ten.settle(keys[3], ask(3).amounts, NOW)
        else:
            getattr(ten, end)(keys[3], NOW)

    granted(ten, "next")
    denied(ten, "one too many")


def test_a_release_leaves_tokens_and_money_reserved() -> None:
    """The lease ends alone; the charge is still to be settled."""
    limits = engine(
        limit("c", KIND.CONCURRENT_REQUESTS, 1), limit("t", KIND.TOKENS_PER_MINUTE, 100)
    )
    key = granted(limits, 1, tokens=60)

    limits.release(key, NOW)

    assert (used(limits, "c"), used(limits, "t")) == (0, 60)
    assert limits.settle(key, ask(1, tokens=65).amounts, NOW) == 5
    assert used(limits, "t") == 65


def test_a_lease_ends_at_its_deadline(ten: Engine) -> None:
    """Nobody reports the end of what died; its lease ends by itself, to the ms."""
    for number in range(10):
        granted(ten, number, ttl=5_000)

    denied(ten, "early", now=NOW + 4_999)
    granted(ten, "in time", now=NOW + 5_000)


def test_a_settle_after_the_deadline_frees_no_second_lease() -> None:
    """A lease that ended by itself is not ended again for someone else."""
    limits = engine(limit("one", KIND.CONCURRENT_REQUESTS, 1))
    late = granted(limits, "late", ttl=5_000)
    granted(limits, "next", now=NOW + 5_000)

    limits.settle(late, ask(1).amounts, NOW + 5_001)

    denied(limits, "third", now=NOW + 5_002)


def test_a_further_attempt_takes_over_the_lease() -> None:
    """Falling back is still one request; the lease goes on at the new attempt's deadline."""
    limits = engine(limit("one", KIND.CONCURRENT_REQUESTS, 1))
    first = granted(limits, ("s", 1), ttl=5_000)

    second = granted(limits, ("s", 2), after=first, ttl=9_000)

    assert used(limits, "one") == 1
    limits.settle(first, ask(1).amounts, NOW)
    denied(limits, "other", now=NOW + 8_999)
    limits.settle(second, ask(1).amounts, NOW + 9_000)
    granted(limits, "other", now=NOW + 9_000)


def test_an_attempt_that_is_refused_leaves_the_lease_where_it_was() -> None:
    """All or nothing holds for the lease that would have been taken over."""
    limits = engine(
        limit("one", KIND.CONCURRENT_REQUESTS, 1),
        limit("t", KIND.TOKENS_PER_MINUTE, 10),
    )
    first = granted(limits, ("s", 1), tokens=10)

    denial = denied(limits, ("s", 2), tokens=10, after=first)

    assert [state.limit_id for state in denial.limits] == ["t"]
    assert used(limits, "one") == 1


def test_an_attempt_on_another_tier_needs_that_tiers_lease() -> None:
    """What is taken over is the lease of the limits that both are under."""
    limits = engine(
        limit("all", KIND.CONCURRENT_REQUESTS, 1),
        limit("each-tier", KIND.CONCURRENT_REQUESTS, 1, each=["tier"]),
    )
    premium, shared = caller(tier="premium"), caller(tier="shared")
    first = granted(limits, ("s", 1), by=premium)

    granted(limits, ("s", 2), by=shared, after=first)

    assert (
        used(limits, "each-tier", by=premium),
        used(limits, "each-tier", by=shared),
    ) == (0, 1)
    assert used(limits, "all") == 1


def test_a_refusal_says_to_come_back_in_a_second(ten: Engine) -> None:
    """Deadlines are far, ends are near and unknown."""
    for number in range(10):
        granted(ten, number, ttl=600_000)

    assert denied(ten, "more").retry_after == NOW + 1_000


def test_resets_at_the_last_deadline_of_those_under_way() -> None:
    """The longest of them says when nothing would be under way any more."""
    limits = engine(limit("l", KIND.CONCURRENT_REQUESTS, 5))
    granted(limits, 1, ttl=3_000)
    longest = granted(limits, 2, ttl=9_000)
    granted(limits, 3, ttl=6_000)

    (before,) = limits.states(caller(), NOW)
    limits.release(longest, NOW)
    (after,) = limits.states(caller(), NOW)

    assert (before.resets_at, after.resets_at) == (NOW + 9_000, NOW + 6_000)
