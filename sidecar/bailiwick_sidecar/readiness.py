"""Whether this gateway can serve, and what does not work though it can."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bailiwick_sidecar.admission.tables import Place, Tables


@dataclass(frozen=True, slots=True)
class Readiness:
    """No reasons: ready. Warnings name what only some callers or routes miss."""

    reasons: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """True where nothing stands against serving."""
        return not self.reasons


def readiness(
    tables: Tables | None,
    *,
    acked: bool,
    issuers: int,
    key_sets: int,
    key_problems: Iterable[str],
    has_key: Callable[[Place], bool],
    why: Callable[[Place], str] = lambda _: "",
) -> Readiness:
    """What is missing.

    One issuer or key that is missing closes its own callers and backends, no others: it is a
    reason only where nobody could call, or no call could leave.
    """
    if tables is None:
        return Readiness(("no config yet: none was given, or it was refused",), ())
    warnings = list(key_problems)
    reasons = [] if acked else ["Envoy has not taken a config yet"]
    if issuers and not key_sets:
        reasons.append("no issuer's key set is known: " + "; ".join(warnings))
    places = {place.code: (way.name, place) for way in tables.ways.values() for place in way.live}
    keyless = [
        f"route {route}, backend {place.name}: no key for {place.provider}"
        + (f" ({reason})" if (reason := why(place)) else "")
        for route, place in places.values()
        if not has_key(place)
    ]
    if places and len(keyless) == len(places):
        reasons.append("no backend has a key: " + "; ".join(keyless))
    warnings += keyless
    return Readiness(tuple(reasons), tuple(warnings))
