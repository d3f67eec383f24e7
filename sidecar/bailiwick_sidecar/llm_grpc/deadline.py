"""`grpc-timeout`: how long the caller waits."""

from typing import Final

_UNITS: Final = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_MAX_DIGITS: Final = 8


def seconds(header: str | None) -> float | None:
    """The timeout in seconds; None where there is none, or one that is no timeout.

    At most eight digits and a unit (grpc/grpc, doc/PROTOCOL-HTTP2.md, "Timeout").
    """
    if not header:
        return None
    digits, unit = header[:-1], _UNITS.get(header[-1])
    if unit is None or not digits.isascii() or not digits.isdecimal() or len(digits) > _MAX_DIGITS:
        return None
    return int(digits) * unit
