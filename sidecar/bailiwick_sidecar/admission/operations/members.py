"""Members of a body, read strictly: null is absent, anything unexpected is a 400 with its name."""

from typing import Final

from bailiwick_contract.tiers import CHOICE, NAME, STANDARD
from bailiwick_sidecar.admission.errors import refused
from bailiwick_sidecar.admission.operations.operation import Said

MAX_N: Final = 128
MAX_TOKENS: Final = 2**31 - 1
"""A larger figure is a mistake: no model puts out as much, and some providers overflow."""


def flag(said: Said, name: str) -> bool:
    """True or false; absent is false."""
    value = said.get(name)
    if value is not None and not isinstance(value, bool):
        raise refused("invalid_type", param=name, expected="true or false")
    return bool(value)


def whole(value: object, *, maximum: int) -> bool:
    """True for a whole number from 1 to the maximum."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= maximum


def count(said: Said, name: str, maximum: int) -> int | None:
    """A whole number from 1 to the maximum; None where absent."""
    value = said.get(name)
    if value is None:
        return None
    expected = f"a whole number from 1 to {maximum}"
    if not isinstance(value, int) or isinstance(value, bool):
        raise refused("invalid_type", param=name, expected=expected)
    if not 0 < value <= maximum:
        raise refused("invalid_value", param=name, expected=expected)
    return value


def service_tier(said: Said) -> str:
    """The service tier that is asked for; empty: the provider chooses."""
    tier = said.get("service_tier")
    if tier is None:
        return ""
    if not isinstance(tier, str) or not NAME.fullmatch(tier):
        raise refused(
            "unsupported_parameter",
            param="service_tier",
            reason=f"only {CHOICE}, {STANDARD} and names of tiers can have a price",
        )
    return "" if tier == CHOICE else tier


def usage_wanted(said: Said) -> bool:
    """True where the caller's `stream_options` ask for usage."""
    options = said.get("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict):
        raise refused("invalid_type", param="stream_options", expected="an object")
    wanted = options.get("include_usage")
    if wanted is not None and not isinstance(wanted, bool):
        raise refused(
            "invalid_type", param="stream_options.include_usage", expected="true or false"
        )
    return bool(wanted)
