"""What follows from fields: helpers that the validator and the compiler both need. Pure."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from bailiwick_operator.api.v1alpha1.model_route import (
    MAX_ATTEMPTS,
    Fallback,
    FallbackReason,
    ModelRouteSpec,
)

_UNITS_MS = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The parts of a base URL; `path` has no trailing slash and may be empty."""

    tls: bool
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Host, with the port where it is not the scheme's own."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == (443 if self.tls else 80) else f"{name}:{self.port}"


def duration_ms(text: str) -> int:
    """Milliseconds of a duration that the schema accepted, such as "2m30s" (GEP-2257)."""
    return sum(int(n) * _UNITS_MS[unit] for n, unit in re.findall(r"(\d+)(ms|h|m|s)", text))


def endpoint(base_url: str) -> Endpoint:
    """The parts of a base URL that the schema accepted."""
    parts = urlsplit(base_url)
    tls = parts.scheme == "https"
    return Endpoint(
        tls=tls,
        host=(parts.hostname or "").lower(),
        port=(443 if tls else 80) if parts.port is None else parts.port,
        path=parts.path.rstrip("/"),
    )


def is_time_zone(name: str) -> bool:
    """True for a name of the IANA time zone database."""
    return name in available_timezones()


def effective_fallback(spec: ModelRouteSpec) -> Fallback:
    """The fallback in force: the written one, else one attempt for each priority.

    A route whose backends all have the same priority makes one attempt unless it says more.
    """
    if spec.fallback is not None:
        return spec.fallback
    priorities = len({backend.priority for backend in spec.backends})
    return Fallback(when=tuple(FallbackReason), max_attempts=min(priorities, MAX_ATTEMPTS))
