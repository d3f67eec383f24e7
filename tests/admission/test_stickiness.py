"""A user's calls stay at one backend; weights split the users."""

from collections import Counter

from admission.acme import acked, backend, config

from bailiwick_sidecar.admission.plan import Exclusions, find_way, order
from bailiwick_sidecar.admission.stickiness import ranked
from bailiwick_sidecar.admission.tables import Tables

ANY = Exclusions(keyed=lambda _: True, priced=lambda _: True, bounded=lambda _: True)
USERS = [f"user-{number}" for number in range(4000)]


def table(**weights: int) -> Tables:
    backends = [backend(name, "P/b", weight=weight) for name, weight in weights.items()]
    said = {
        "name": "r", "aliases": ["m"], "backends": backends, "fallback": {"maxAttempts": 5},
        "stickiness": "STICKINESS_USER",
    }  # fmt: skip
    return acked(config(routes=[said]))


def firsts(found: Tables) -> dict[str, str]:
    """Each user's first backend."""
    places = find_way(found, "m", "search").live
    return {user: ranked(places, user=user)[0].name for user in USERS}


def test_shares_of_users_are_the_weights() -> None:
    """Of 4000 users three quarters are here and a quarter there."""
    counted = Counter(firsts(table(a=75, b=25)).values())

    assert 2880 < counted["a"] < 3120


def test_a_user_stays_where_others_weights_change() -> None:
    """From 10 to 20 percent only those move who have to, and only to where the weight grew."""
    before, after = firsts(table(a=90, b=10)), firsts(table(a=80, b=20))
    moved = [user for user in USERS if before[user] != after[user]]

    assert {after[user] for user in moved} == {"b"}
    assert 300 < len(moved) < 500


def test_where_a_backend_goes_only_its_users_move() -> None:
    """All others find what they had."""
    before, after = firsts(table(a=1, b=1, c=1)), firsts(table(a=1, b=1))

    assert all(after[user] == before[user] for user in USERS if before[user] != "c")


def test_a_plan_is_the_users_and_the_same_each_time() -> None:
    """Whatever the dice say; without a user they decide as ever."""
    found = table(a=1, b=1, c=1)
    way = find_way(found, "m", "search")

    def plan(user: str, dice: float) -> list[str]:
        return [
            place.name
            for place in order(
                found, way, team="search", alias="m", exclusions=ANY, random=lambda: dice, user=user
            )
        ]

    assert plan("ann", 0.0) == plan("ann", 0.99)
    assert {tuple(plan(user, 0.0)) for user in USERS[:50]} > {tuple(plan("ann", 0.0))}
    assert plan("", 0.0) != plan("", 0.99)
