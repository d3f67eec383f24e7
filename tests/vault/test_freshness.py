"""A key's life, by table and by property; the clock is a number."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick_sidecar.secrets import Secret
from bailiwick_sidecar.vault.freshness import (
    FIRST_DOUBT_S,
    LONGEST_DOUBT_S,
    Key,
    Standing,
    after,
    aged,
    refused,
    served,
    usable,
)
from bailiwick_sidecar.vault.outcomes import Cause, Denied, Failed, Found, Missing, Outcome

STALE = 100.0


def found(text: str, version: int = 0) -> Found:
    return Found(Secret(text), version)


def failed(cause: Cause = Cause.SEALED, at: str = "t") -> Failed:
    return Failed(cause, "words", at)


def told(*events: tuple[float, Outcome]) -> Key:
    """A key after these answers, aged as the agent would."""
    key = Key()
    for now, outcome in events:
        key = after(aged(key, now=now, max_stale=STALE), outcome, now=now)
    return key


def sent(key: Key, now: float) -> str | None:
    held = usable(aged(key, now=now, max_stale=STALE), now=now)
    return held.secret.reveal() if held is not None else None


@pytest.mark.parametrize(
    ("events", "now", "standing", "key"),
    [
        ([], 1, Standing.WAITING, None),
        ([(0, failed())], 1, Standing.WAITING, None),
        ([(0, found("a"))], 1, Standing.FRESH, "a"),
        ([(0, found("a")), (5, found("b"))], 6, Standing.FRESH, "b"),
        ([(0, found("a")), (5, failed())], 6, Standing.KEPT, "a"),
        ([(0, found("a")), (5, failed())], 100, Standing.KEPT, "a"),
        ([(0, found("a")), (5, failed())], 100.1, Standing.STALE, None),
        ([(0, found("a")), (5, failed()), (101, found("a"))], 102, Standing.FRESH, "a"),
        ([(0, found("a")), (5, Denied("no", "t"))], 6, Standing.REVOKED, None),
        ([(0, found("a")), (5, Denied("no", "t")), (6, failed())], 7, Standing.REVOKED, None),
        ([(0, found("a")), (5, Denied("no", "t")), (6, found("a"))], 7, Standing.FRESH, "a"),
        ([(0, found("a")), (5, failed()), (6, Denied("no", "t"))], 7, Standing.REVOKED, None),
        ([(0, found("a")), (5, Missing("gone"))], 6, Standing.MISSING, None),
        ([(0, Missing("none")), (5, found("a"))], 6, Standing.FRESH, "a"),
    ],
)
def test_what_each_answer_makes_of_a_key(
    events: list[tuple[float, Outcome]], now: float, standing: Standing, key: str | None
) -> None:
    """Failures keep the last key for a while; an answer from Vault always counts."""
    state = aged(told(*events), now=now, max_stale=STALE)

    assert (state.standing, sent(state, now)) == (standing, key)


def test_since_when_a_key_is_missing_is_the_first_answer_that_said_so() -> None:
    """Later ones do not move it; a denial in between begins anew."""
    gone = told((0, found("a")), (5, Missing("gone", "first")), (9, Missing("gone", "second")))

    assert gone.since == "first"
    assert after(gone, Denied("no", "third"), now=10).since == "third"


def test_since_when_vault_is_away_is_the_first_failure() -> None:
    """Later failures do not move it, an answer clears it."""
    away = told((0, found("a")), (5, failed(at="first")), (9, failed(Cause.SLOW, at="second")))

    assert away.failed == failed(at="first")
    assert after(away, found("a"), now=10).failed is None


def test_since_when_a_key_is_revoked_is_the_first_denial() -> None:
    """Each poll says it again; the time stays."""
    key = told((0, found("a")), (5, Denied("no", "first")), (9, Denied("no", "second")))

    assert key.since == "first"


def test_a_new_version_is_used_at_once_and_the_old_one_stays_until_it_has_served() -> None:
    """The overlap ends with the first answer that took the new key, not before."""
    key = told((0, found("a", 1)), (5, found("b", 2)))
    assert key.current is not None
    assert key.previous is not None
    assert (sent(key, 6), key.previous.secret) == ("b", Secret("a"))

    late = served(key, key.previous.serial)
    assert late == key
    assert served(key, key.current.serial).previous is None


def test_a_new_version_that_the_provider_refuses_gives_way_to_the_one_before_for_a_while() -> None:
    """Then it is tried again, ever less often."""
    key = told((0, found("a")), (5, found("b")))
    assert key.current is not None
    pauses = []
    now = 6.0
    for _ in range(6):
        assert sent(key, now) == "b"
        key = refused(key, key.current.serial, now=now)
        assert sent(key, now) == "a"
        pauses.append(key.doubted_until - now)
        now = key.doubted_until
        key = after(key, found("b"), now=now)

    assert pauses == [FIRST_DOUBT_S, 10, 20, 40, LONGEST_DOUBT_S, LONGEST_DOUBT_S]


def test_two_refusals_at_once_are_one_doubt() -> None:
    """Attempts that left together do not make the pause longer."""
    key = told((0, found("a")), (5, found("b")))
    assert key.current is not None
    once = refused(key, key.current.serial, now=6)

    assert refused(once, key.current.serial, now=6.1) == once


def test_where_the_provider_refuses_the_one_before_too_only_the_new_one_is_left() -> None:
    """A withdrawn key is not sent again."""
    key = told((0, found("a")), (5, found("b")))
    assert key.current is not None
    assert key.previous is not None
    doubted = refused(key, key.current.serial, now=6)
    withdrawn = refused(doubted, key.previous.serial, now=7)

    assert sent(withdrawn, 7) == "b"
    assert withdrawn.previous is None


def test_the_version_that_is_known_to_work_is_kept_over_several_that_never_served() -> None:
    """Two rotations without a call between them do not lose it."""
    key = told((0, found("a")), (5, found("b")), (6, found("c")))
    assert key.previous is not None

    assert (sent(key, 7), key.previous.secret) == ("c", Secret("a"))


def test_the_same_text_under_another_number_is_no_rotation() -> None:
    """Nothing is doubted or counted; the number is Vault's."""
    key = told((0, found("a", 1)), (5, found("a", 2)))
    assert key.current is not None

    assert (key.serials, key.current.version, key.previous) == (1, 2, None)


OUTCOMES = st.one_of(
    st.sampled_from("abc").map(found),
    st.sampled_from(Cause).map(failed),
    st.just(Missing("m")),
    st.just(Denied("d", "t")),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("answer"), OUTCOMES),
        st.tuples(st.just("served"), st.integers(0, 12)),
        st.tuples(st.just("refused"), st.integers(0, 12)),
        st.tuples(st.just("wait"), st.floats(0, 3 * STALE)),
    ),
    max_size=40,
)


@given(STEPS)
def test_whatever_happens(steps: list[tuple[str, object]]) -> None:
    """A key that may not be used is not in memory.

    One that is sent was given by Vault, was not withdrawn since, and was confirmed within the time
    for which one is kept.
    """
    key, now = Key(), 0.0
    given: set[str] = set()
    confirmed = -math.inf
    for what, value in steps:
        if what == "wait":
            now += float(value)  # type: ignore[arg-type]
        elif what == "served":
            key = served(key, int(value))  # type: ignore[call-overload]
        elif what == "refused":
            key = refused(key, int(value), now=now)  # type: ignore[call-overload]
        else:
            key = aged(key, now=now, max_stale=STALE)
            key = after(key, value, now=now)  # type: ignore[arg-type]
            if isinstance(value, Found):
                given.add(value.secret.reveal())
                confirmed = now
            elif isinstance(value, Missing | Denied):
                given.clear()
                confirmed = -math.inf
        key = aged(key, now=now, max_stale=STALE)
        text = sent(key, now)
        assert (text is not None) == key.standing.usable
        assert text is None or text in given
        assert (text is not None) <= (now - confirmed <= STALE)
        if not key.standing.usable:
            assert (key.current, key.previous) == (None, None)
        if key.previous is not None and key.current is not None:
            assert key.previous.secret != key.current.secret
