"""Which backends a call tries, and in which order."""

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from admission.acme import acked, backend, config, provider

from bailiwick_sidecar.admission.errors import RefusedError
from bailiwick_sidecar.admission.plan import Exclusions, find_way, order
from bailiwick_sidecar.admission.tables import ConfigMeaningError, Place, Tables, live, tables

ANY = Exclusions(keyed=lambda _: True, priced=lambda _: True, bounded=lambda _: True)


def table(*backends: dict[str, Any], attempts: int = 5, **route: Any) -> Tables:
    said = {
        "name": "r",
        "aliases": ["m"],
        "backends": list(backends),
        "fallback": {"maxAttempts": attempts},
        **route,
    }
    return acked(config(routes=[said]))


def names(places: tuple[Place, ...]) -> list[str]:
    return [place.name for place in places]


def plan(found: Tables, team: str = "search", **said: Any) -> list[str]:
    way = find_way(found, "m", team)
    given = {"exclusions": ANY, "random": lambda: 0.0, **said}
    return names(order(found, way, team=team, alias="m", **given))


def test_priorities_come_in_order_and_attempts_are_bounded() -> None:
    """The first priority first, then the next ones, up to the route's number of attempts."""
    backends = [backend(f"b{n}", "P/b", priority=n % 3) for n in range(6)]

    assert plan(table(*backends)) == ["b0", "b3", "b1", "b4", "b2"]
    assert plan(table(*backends, attempts=2)) == ["b0", "b3"]


def test_weights_split_the_first_attempt_and_zero_takes_none() -> None:
    """Of 4000 calls each backend gets its share; a weight of 0 is never planned."""
    found = table(
        backend("a", "P/b", weight=75),
        backend("b", "P/b", weight=25),
        backend("z", "P/b", weight=0),
    )
    source = random.Random(7)
    plans = [plan(found, random=source.random) for _ in range(4000)]

    first = Counter(one[0] for one in plans)
    assert 2850 < first["a"] < 3150
    assert {tuple(sorted(one)) for one in plans} == {("a", "b")}


def test_only_what_is_open_to_the_team_is_planned() -> None:
    """A backend of a closed tier is left out; the others of the route serve."""
    found = table(backend("p", "P/b", tier="premium"), backend("s", "P/b", priority=1))

    assert plan(found, "search") == ["p", "s"]
    assert plan(found, "support") == ["s"]


@pytest.mark.parametrize(
    ("left_out", "code", "status"),
    [
        ({"keyed": lambda _: False}, "credential_unavailable", 503),
        ({"priced": lambda _: False}, "model_unpriced", 403),
        ({"bounded": lambda _: False}, "input_unbounded", 400),
    ],
)
def test_nothing_left_says_why(left_out: dict[str, Any], code: str, status: int) -> None:
    """The refusal's code names what the last backends failed on."""
    given = {"keyed": ANY.keyed, "priced": ANY.priced, "bounded": ANY.bounded, **left_out}
    with pytest.raises(RefusedError) as caught:
        plan(table(backend("a", "P/b")), exclusions=Exclusions(**given))

    assert (caught.value.refusal.code, caught.value.refusal.status) == (code, status)


def test_unknown_and_forbidden_models_differ() -> None:
    """What is nowhere is 404; what is others' is 403, by route, by tier, by a closed tier."""
    cases = {
        ("n", "search"): table(backend("a", "P/b")),
        ("M", "search"): table(backend("a", "P/b")),
        ("m", "support"): table(backend("a", "P/b"), teams=["search"]),
        ("m", "support "): table(backend("a", "P/b", tier="premium")),
        ("m", "search"): table(backend("a", "P/b", tier="secret")),
    }
    codes = []
    for (alias, team), found in cases.items():
        with pytest.raises(RefusedError) as caught:
            find_way(found, alias, team.strip())
        codes.append(caught.value.refusal.code)

    assert codes == ["model_not_found"] * 2 + ["model_not_allowed"] * 3


def test_a_backend_that_changed_its_endpoint_waits_for_envoy() -> None:
    """The new provider's key never goes to the old address.

    Until Envoy has the new cluster the route keeps what Envoy has; prices hold at once.
    """
    old = config(
        providers=[provider("P/a", port=1), provider("P/b")],
        routes=[{"name": "r", "aliases": ["m"], "backends": [backend("a", "P/a")]}],
    )
    moved = config(
        providers=[provider("P/a", port=2), provider("P/b")],
        routes=[{"name": "r", "aliases": ["m"], "backends": [backend("a", "P/a")]}],
    )
    dearer = config(
        providers=[provider("P/a", port=1), provider("P/b")],
        routes=[{"name": "r", "aliases": ["m"], "backends": [backend("a", "P/a", prices=[])]}],
    )

    served, wanted = tables(old), tables(moved)
    assert live(wanted, served).ways["m"].live == served.ways["m"].places
    assert live(wanted, wanted).ways["m"].live == wanted.ways["m"].places
    assert not live(tables(dearer), served).ways["m"].live[0].prices


def test_a_new_backend_waits_and_a_new_route_says_so() -> None:
    """What Envoy does not know yet is not planned; a route of such backends alone is 503."""
    old = table(backend("a", "P/b"))
    more = tables(
        config(
            routes=[
                {
                    "name": "r",
                    "aliases": ["m"],
                    "backends": [backend("a", "P/b"), backend("n", "P/b")],
                    "fallback": {"maxAttempts": 5},
                }
            ]
        )
    )
    assert plan(live(more, old)) == ["a"]
    with pytest.raises(RefusedError) as caught:
        plan(live(more, None))

    assert caught.value.refusal.code == "route_not_ready"
    assert caught.value.refusal.retry_after == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"providers": []}, "provider P/a is not part of this config"),
        (
            {"providers": [provider("P/a", protocol="PROTOCOL_UNSPECIFIED"), provider("P/b")]},
            "does not know",
        ),
        (
            {"routes": [{"name": n, "aliases": ["x"], "backends": []} for n in "qr"]},
            "routes q and r both claim alias x",
        ),
        (
            {
                "routes": [
                    {
                        "name": "q",
                        "aliases": ["x"],
                        "backends": [
                            backend("b", "P/b", prices=[{"rates": {"inputPerMillion": "cheap"}}])
                        ],
                    }
                ]
            },
            "route q, backend b",
        ),
    ],
)
def test_a_config_without_meaning_is_refused_whole(changes: dict[str, Any], words: str) -> None:
    """The message names the place."""
    with pytest.raises(ConfigMeaningError, match=words):
        tables(config(**changes))


PLAIN = {"rates": {"inputPerMillion": "1"}}
FLEX = {**PLAIN, "serviceTiers": [{"name": "flex", "rates": {"inputPerMillion": "0.5"}}]}


def asking(tier: str) -> Exclusions:
    return replace(ANY, service_tier=tier, tiers=lambda place: place.service_tiers(0))


def test_a_service_tier_goes_where_it_has_a_price() -> None:
    """A backend without a price for it is left out, also as a fallback; the others serve."""
    found = table(
        backend("a", "P/b", prices=[PLAIN]),
        backend("b", "P/b", priority=1, prices=[FLEX]),
        backend("c", "P/b", priority=2),
    )

    assert plan(found, exclusions=asking("flex")) == ["b"]
    assert plan(found, exclusions=asking("")) == ["a", "b", "c"]


def test_a_service_tier_without_a_price_is_refused_with_those_that_have_one() -> None:
    """The caller reads what he may ask for."""
    found = table(backend("b", "P/b", prices=[FLEX]))
    with pytest.raises(RefusedError) as caught:
        plan(found, exclusions=asking("priority"))

    refusal = caught.value.refusal
    assert (refusal.code, refusal.param, refusal.status) == (
        "unsupported_parameter", "service_tier", 400,
    )  # fmt: skip
    assert "only auto, default and flex have a known price" in refusal.message
