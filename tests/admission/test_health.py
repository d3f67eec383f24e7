"""Backends that fail or ask for it are tried last for a while."""

from typing import Any

import pytest
from admission.acme import acked, backend, config

from bailiwick_sidecar.admission.health import (
    FAILURES,
    FIRST_PAUSE_MS,
    LONGEST_PAUSE_MS,
    LONGEST_REST_MS,
    TRIAL_MS,
    Health,
)
from bailiwick_sidecar.admission.plan import Exclusions, find_way, order

NO_FLAGS: frozenset[str] = frozenset()


def end(health: Health, now: int, status: int = 500, **more: Any) -> None:
    given = {"flags": NO_FLAGS, "retry_after": "", **more}
    health.ended("b", status=status, now=now, **given)


def failing(now: int = 0) -> Health:
    health = Health()
    for _ in range(FAILURES):
        end(health, now)
    return health


def test_some_failures_in_a_row_pass_it_over_for_a_while() -> None:
    """One fewer does not, and neither do failures with an answer between them."""
    health = Health()
    for _ in range(FAILURES - 1):
        end(health, 0)
    assert not health.passed_over("b", 0)
    end(health, 0, status=200)
    for _ in range(FAILURES - 1):
        end(health, 0)
    assert not health.passed_over("b", 0)

    end(health, 0)
    assert health.passed_over("b", FIRST_PAUSE_MS - 1)
    assert not health.passed_over("b", FIRST_PAUSE_MS)


@pytest.mark.parametrize(
    ("status", "flags", "counts"),
    [
        (500, [], True), (503, [], True), (529, [], True), (0, ["UF"], True), (0, ["UT"], True),
        # What the caller did is no fault of the provider's, and neither is a refused prompt.
        (0, ["DC"], False), (400, [], False), (401, [], False), (404, [], False),
    ],
)  # fmt: skip
def test_what_is_a_failure(status: int, flags: list[str], *, counts: bool) -> None:
    """The provider's errors and silence."""
    health = Health()
    for _ in range(FAILURES):
        end(health, 0, status=status, flags=frozenset(flags))

    assert health.passed_over("b", 1) is counts


def test_after_the_pause_one_call_tries_and_the_pause_doubles_where_it_fails() -> None:
    """Until an answer comes, and never longer than some minutes."""
    health, now = failing(), FIRST_PAUSE_MS
    assert not health.passed_over("b", now)
    health.begun("b", now)
    assert health.passed_over("b", now), "the others wait for what becomes of it"
    assert not health.passed_over("b", now + TRIAL_MS), "nobody heard of it: another one tries"

    for pause in (20_000, 40_000, 80_000, 160_000, LONGEST_PAUSE_MS, LONGEST_PAUSE_MS):
        end(health, now)
        assert health.passed_over("b", now + pause - 1)
        now += pause
        assert not health.passed_over("b", now)
        health.begun("b", now)

    end(health, now, status=200)
    assert not health.passed_over("b", now)
    assert list(health.troubled(now)) == []


def test_late_failures_of_calls_from_before_do_not_double_it() -> None:
    """A hundred calls were under way when it died: that is one death."""
    health = failing()
    for _ in range(100):
        end(health, 1)

    assert not health.passed_over("b", FIRST_PAUSE_MS + 1)


@pytest.mark.parametrize(
    ("said", "rest"),
    [("7", 7000), ("3600", LONGEST_REST_MS), ("", 0), ("soon", 0), ("-5", 0), ("9" * 12, 0)],
)
def test_a_provider_that_says_when_is_left_alone_until_then(said: str, rest: int) -> None:
    """429 alone is no failure: it is well, and full."""
    health = Health()
    for _ in range(FAILURES):
        end(health, 0, status=429, retry_after=said)

    assert health.passed_over("b", rest - 1) is (rest > 0)
    assert not health.passed_over("b", rest)


def test_a_plan_begins_where_it_is_well_and_leaves_nobody_out() -> None:
    """Across priorities too; where all are passed over the order is as ever."""
    said = {
        "name": "r", "aliases": ["m"], "fallback": {"maxAttempts": 5},
        "backends": [backend(name, "P/b", priority=at) for at, name in enumerate("abc")],
    }  # fmt: skip
    tables = acked(config(routes=[said]))
    way = find_way(tables, "m", "search")
    codes = {place.name: place.code for place in way.live}

    def plan(*down: str) -> str:
        exclusions = Exclusions(
            keyed=lambda _: True,
            priced=lambda _: True,
            bounded=lambda _: True,
            passed_over=lambda place: place.name in down,
        )
        found = order(
            tables, way, team="search", alias="m", exclusions=exclusions, random=lambda: 0.0
        )
        return "".join(place.name for place in found)

    assert len(set(codes.values())) == 3
    assert [plan(), plan("a"), plan("a", "b"), plan("a", "b", "c")] == ["abc", "bca", "cab", "abc"]


def test_what_is_in_no_config_is_forgotten() -> None:
    """A backend that is written anew begins well."""
    health = failing()
    health.keep(frozenset())

    assert not health.passed_over("b", 1)
