"""What follows from a field and no schema can say, for the validator and the compiler. Pure."""

from functools import cache
from zoneinfo import available_timezones


def is_time_zone(name: str) -> bool:
    """True for a name of the IANA time zone database."""
    return name in _zones()


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
