"""Which backends a call tries, in which order. Randomness is a parameter."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from bailiwick_sidecar.admission.errors import RefusedError, refused, shown
from bailiwick_sidecar.admission.operations.refusals import refused_tier
from bailiwick_sidecar.admission.stickiness import ranked
from bailiwick_sidecar.admission.tables import Place, Tables, Way

RETRY_SOON: Final = 1
"""Seconds after which a call that met a gateway still setting up may come again."""

Random = Callable[[], float]
"""A number in [0, 1)."""


@dataclass(frozen=True, slots=True)
class Exclusions:
    """Why backends are left out of a plan beside their tier: what is true of each right now."""

    keyed: Callable[[Place], bool]
    """Its credential is there, or it needs none."""
    priced: Callable[[Place], bool]
    """It has a price, or needs none."""
    bounded: Callable[[Place], bool]
    """What the input can cost there has an upper bound."""
    passed_over: Callable[[Place], bool] = lambda _: False
    """It fails or asked for a pause: tried last, never left out."""
    service_tier: str = ""
    """Only backends that price this tier are tried; empty: all."""
    tiers: Callable[[Place], Sequence[str]] = lambda _: ()
    """The service tiers that a backend prices beside the standard one."""
    keyless: Callable[[Sequence[Place]], str] = lambda _: "credential_unavailable"
    """The code to refuse with where none of these has its credential."""


def find_way(tables: Tables, alias: str, team: str) -> Way:
    """The route of an alias, for a team that may use it.

    Raises:
        RefusedError: 404 `model_not_found`, or 403 `model_not_allowed` where it exists for other
            teams. Names of models are no secret among the teams of one tenant, and a caller who
            may not use one should learn whom to ask.
    """
    way = tables.ways.get(alias)
    if way is None:
        raise refused("model_not_found", param="model", model=shown(alias))
    if not allowed(tables, way, team):
        raise refused("model_not_allowed", param="model", model=shown(alias), team=shown(team))
    return way


def allowed(tables: Tables, way: Way, team: str) -> bool:
    """True where the route is the team's to use and at least one of its tiers is open to it."""
    if way.teams is not None and team not in way.teams:
        return False
    return any(tables.tier_open(place.tier, team) for place in way.places)


def order(
    tables: Tables,
    way: Way,
    *,
    team: str,
    alias: str,
    exclusions: Exclusions,
    random: Random,
    user: str = "",
) -> tuple[Place, ...]:
    """The backends to try, first to last, at most the route's attempts.

    Within a priority each next one is drawn by weight, where the route is sticky once for each
    user; a weight of 0 takes no traffic.

    Raises:
        RefusedError: none is left; the code says what the last ones failed on.
    """
    open_ = [place for place in way.live if tables.tier_open(place.tier, team) and place.weight]
    if not open_:
        raise _later("route_not_ready", alias)
    if exclusions.service_tier:
        open_ = _serving(open_, exclusions)
    bounded = [place for place in open_ if exclusions.bounded(place)]
    if not bounded:
        raise refused("input_unbounded", param="messages", model=shown(alias))
    priced = [place for place in bounded if exclusions.priced(place)]
    if not priced:
        raise refused("model_unpriced", param="model", model=shown(alias))
    keyed = [place for place in priced if exclusions.keyed(place)]
    if not keyed:
        raise _later(exclusions.keyless(priced), alias)
    if len(keyed) == 1:
        return tuple(keyed)
    ordered: list[Place] = []
    for priority in sorted({place.priority for place in keyed}):
        places = [place for place in keyed if place.priority == priority]
        if way.sticky and user:
            ordered += ranked(places, user=user)
        else:
            ordered += _drawn(places, random)
    ordered.sort(key=exclusions.passed_over)  # stable: within each half as it was
    return tuple(ordered[: way.max_attempts])


def _serving(places: Sequence[Place], exclusions: Exclusions) -> list[Place]:
    """Those that price the service tier that is asked for."""
    priced = {place.code: exclusions.tiers(place) for place in places}
    serving = [place for place in places if exclusions.service_tier in priced[place.code]]
    if not serving:
        raise refused_tier(sorted({tier for tiers in priced.values() for tier in tiers}))
    return serving


def _drawn(places: Sequence[Place], random: Random) -> list[Place]:
    left, drawn = list(places), []
    while left:
        mark = random() * sum(place.weight for place in left)
        for index, place in enumerate(left):
            mark -= place.weight
            if mark < 0 or index == len(left) - 1:
                drawn.append(left.pop(index))
                break
    return drawn


def _later(code: str, alias: str) -> RefusedError:
    return refused(code, param="model", retry_after=RETRY_SOON, model=shown(alias))
