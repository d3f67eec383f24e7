"""How limits combine: every rule of the resources' description, one by one."""

from quota.building import KIND, NOW, ask, caller, denied, engine, granted, limit, used

from bailiwick_sidecar.quota.model import Grant


def test_every_limit_that_applies_decides_and_the_smallest_wins() -> None:
    """A request passes only where it fits under all limits that match it."""
    limits = engine(
        limit("tenant", KIND.TOKENS_PER_MINUTE, 50_000),
        limit("search", KIND.TOKENS_PER_MINUTE, 20_000, team="search"),
        limit("search-premium", KIND.TOKENS_PER_MINUTE, 6_000, team="search", tier="premium"),
    )

    premium = caller(tier="premium")
    granted(limits, 1, tokens=6_000, by=premium)
    denial = denied(limits, 2, tokens=1, by=premium)
    granted(limits, 3, tokens=14_000)
    other = denied(limits, 4, tokens=1)
    granted(limits, 5, tokens=30_000, by=caller(team="support"))
    whole = denied(limits, 6, tokens=1, by=caller(team="support"))

    assert [state.limit_id for state in denial.limits] == ["search-premium"]
    assert [state.limit_id for state in other.limits] == ["search"]
    assert [state.limit_id for state in whole.limits] == ["tenant"]


def test_a_refusal_takes_from_no_counter() -> None:
    """All or nothing: what one limit refuses leaves the others as they were."""
    limits = engine(
        limit("a", KIND.REQUESTS_PER_MINUTE, 10),
        limit("b", KIND.CONCURRENT_REQUESTS, 10),
        limit("c", KIND.BUDGET_DAY, 100),
        limit("d", KIND.TOKENS_PER_MINUTE, 5),
    )

    denial = denied(limits, 1, tokens=6, cost=7)

    assert [state.used for state in denial.states] == [0, 0, 0, 0]
    assert limits.pending == 0


def test_each_subject_has_a_counter_of_its_own() -> None:
    """`each: [User]`: what one user uses is not missing for another."""
    limits = engine(limit("each-user", KIND.REQUESTS_PER_MINUTE, 1, each=["user"]))

    granted(limits, 1, by=caller(user="ann"))
    granted(limits, 2, by=caller(user="bob"))
    denial = denied(limits, 3, by=caller(user="ann"))

    assert [state.subject for state in denial.limits] == [(("user", "ann"),)]


def test_each_of_two_dimensions_counts_their_combinations() -> None:
    """`each: [User, Tier]`: one counter for each pair."""
    limits = engine(limit("pair", KIND.REQUESTS_PER_MINUTE, 1, each=["user", "tier"]))

    granted(limits, 1, by=caller(user="ann", tier="shared"))
    granted(limits, 2, by=caller(user="ann", tier="premium"))
    granted(limits, 3, by=caller(user="bob", tier="shared"))
    denied(limits, 4, by=caller(user="ann", tier="premium"))


def test_a_named_subject_replaces_what_each_says_of_it() -> None:
    """`unless`: the more exact limit holds instead, also where it allows more."""
    limits = engine(
        limit(
            "each-user", KIND.TOKENS_PER_MINUTE, 5_000, each=["user"], unless=[{"user": "ci-bot"}]
        ),
        limit("ci-bot", KIND.TOKENS_PER_MINUTE, 15_000, user="ci-bot"),
    )

    granted(limits, 1, tokens=15_000, by=caller(user="ci-bot"))
    denied(limits, 2, tokens=1, by=caller(user="ci-bot"))
    granted(limits, 3, tokens=5_000, by=caller(user="ann"))
    denied(limits, 4, tokens=1, by=caller(user="ann"))


def test_a_named_subject_replaces_limit_by_limit() -> None:
    """What the named subject says nothing about, `each` still says."""
    limits = engine(
        limit(
            "each-user#tpm", KIND.TOKENS_PER_MINUTE, 10, each=["user"], unless=[{"user": "ci-bot"}]
        ),
        limit("each-user#rpm", KIND.REQUESTS_PER_MINUTE, 1, each=["user"]),
        limit("ci-bot#tpm", KIND.TOKENS_PER_MINUTE, 100, user="ci-bot"),
    )

    granted(limits, 1, tokens=50, by=caller(user="ci-bot"))
    denial = denied(limits, 2, tokens=50, by=caller(user="ci-bot"))

    assert [state.limit_id for state in denial.limits] == ["each-user#rpm"]


def test_a_caller_without_a_user_has_no_counter_per_user() -> None:
    """A dimension that the caller does not have is nobody's, not one shared by all who lack it."""
    limits = engine(limit("each-user", KIND.REQUESTS_PER_MINUTE, 1, each=["user"]))

    granted(limits, 1, by=caller(user=""))
    granted(limits, 2, by=caller(user=""))

    assert limits.subjects == 0


def test_without_a_limit_everything_is_admitted() -> None:
    """Absent means unlimited at this level."""
    assert isinstance(engine().reserve(ask(1, tokens=10**12), NOW), Grant)


def test_zero_means_nothing() -> None:
    """A limit of 0 refuses for ever, even what takes none of what it limits."""
    for kind in KIND:
        limits = engine(limit("none", kind, 0))

        denial = denied(limits, 1, tokens=0, cost=0)

        assert ([s.limit_id for s in denial.limits], denial.retry_after) == (["none"], None)


def test_what_takes_nothing_passes_a_deficit() -> None:
    """A model that costs nothing still answers when the money is more than spent."""
    limits = engine(limit("budget", KIND.BUDGET_DAY, 100))
    limits.settle(granted(limits, 1, cost=100), ask(1, cost=120).amounts, NOW)

    granted(limits, 2, cost=0)
    denied(limits, 3, cost=1)


def test_shadow_counts_and_refuses_nothing() -> None:
    """A limit in shadow shows what it would have done."""
    limits = engine(
        limit("watched", KIND.TOKENS_PER_MINUTE, 10, shadow=True),
        limit("none", KIND.CONCURRENT_REQUESTS, 0, shadow=True),
    )

    granted(limits, 1, tokens=25)

    states = {state.limit_id: state for state in limits.states(caller(), NOW)}
    assert (
        states["watched"].used,
        states["watched"].limit,
        states["watched"].remaining,
        states["watched"].shadow,
    ) == (25, 10, 0, True)
    assert states["none"].used == 1


def test_all_that_refuse_are_named_the_longest_wait_first() -> None:
    """A caller reads every limit in the way, and when the last of them is out of it."""
    limits = engine(
        limit("a-second", KIND.REQUESTS_PER_SECOND, 1),
        limit("b-minute", KIND.TOKENS_PER_MINUTE, 10),
        limit("c-many", KIND.REQUESTS_PER_MINUTE, 10),
        limit("d-never", KIND.BUDGET_DAY, 5),
    )
    granted(limits, 1, tokens=10)

    denial = denied(limits, 2, tokens=1)
    never = denied(limits, 3, tokens=1, cost=6)

    assert [state.limit_id for state in denial.limits] == ["b-minute", "a-second"]
    assert denial.retry_after == NOW + 60_000
    assert [state.limit_id for state in never.limits] == ["d-never", "b-minute", "a-second"]
    assert never.retry_after is None
    assert [s.limit_id for s in denial.states] == ["a-second", "b-minute", "c-many", "d-never"]


def test_states_show_a_tier_and_every_route_before_there_is_a_request() -> None:
    """`GET /v1/usage` has no route and no tier yet, and still sees what limits them."""
    limits = engine(
        limit("each-route", KIND.REQUESTS_PER_MINUTE, 5, each=["user", "route"]),
        limit("premium", KIND.TOKENS_PER_MINUTE, 100, tier="premium"),
    )
    granted(limits, 1, by=caller(user="ann", route="fast"))
    granted(limits, 2, by=caller(user="ann", route="smart"))
    granted(limits, 3, by=caller(user="bob", route="smart"))

    states = limits.states(caller(user="ann", route="", tier=""), NOW)

    assert [(state.limit_id, state.subject, state.used) for state in states] == [
        ("each-route", (("user", "ann"), ("route", "fast")), 1),
        ("each-route", (("user", "ann"), ("route", "smart")), 1),
        ("premium", (("tier", "premium"),), 0),
    ]


def test_states_show_nobody_elses_counters() -> None:
    """A caller without a user sees no user's counter."""
    limits = engine(limit("each-user", KIND.REQUESTS_PER_MINUTE, 5, each=["user", "route"]))
    granted(limits, 1, by=caller(user="ann"))

    assert limits.states(caller(user="", route="", tier=""), NOW) == ()


def test_looking_makes_no_counter() -> None:
    """States of a subject that never called are zero and cost no memory."""
    limits = engine(limit("each-user", KIND.REQUESTS_PER_MINUTE, 5, each=["user"]))

    assert used(limits, "each-user") == 0
    assert limits.subjects == 0
