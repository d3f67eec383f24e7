"""Kinds of strings and numbers that fields are made of, each with its bounds.

Every bound is also there so that the API server can tell how much a CEL rule may cost.
"""

from typing import Annotated

from msgspec import Meta

from bailiwick_operator.api.v1alpha1.base import Rule

DnsLabel = Annotated[
    str, Meta(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=63)
]
"""A Kubernetes name without dots (RFC 1123 label)."""

ItemName = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", min_length=1, max_length=63)
]
"""The name of a team, project or tier: it becomes a metric label and a ledger column."""

ModelName = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$", min_length=1, max_length=128)
]
"""What a provider or a caller calls a model."""

UserName = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]+$", min_length=1, max_length=256)]
"""A user as the token names him."""

ClaimName = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]+$", min_length=1, max_length=128)]
"""A claim; one that begins with "/" is a JSON pointer (RFC 6901) into nested claims."""

Region = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", min_length=1, max_length=63)
]
"""A region in the words of whoever runs the models there."""

CostCenter = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]+$", min_length=1, max_length=64)]
"""What the finance system calls the payer."""

Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$", min_length=3, max_length=3)]
"""ISO 4217 code."""

Count = Annotated[int, Meta(ge=0, le=10**15)]
"""How many; 0 means nothing."""

Tokens = Annotated[int, Meta(ge=1, le=100_000_000)]
"""A size in tokens."""

Money = Annotated[
    str, Meta(pattern=r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,12})?$", min_length=1, max_length=25)
]
"""An amount as a decimal string such as "5000.00": picounits at the finest."""

PerMillion = Annotated[
    str, Meta(pattern=r"^(0|[1-9][0-9]{0,8})(\.[0-9]{1,6})?$", min_length=1, max_length=16)
]
"""A price per million tokens; six decimals make whole picounits per token."""

Timestamp = Annotated[
    str,
    Meta(min_length=20, max_length=35, extra_json_schema={"format": "date-time"}),
]
"""RFC 3339; quoted in YAML, which would make a date of it."""

Duration = Annotated[
    str,
    Meta(
        min_length=2,
        max_length=24,
        pattern=r"^([0-9]{1,5}(h|m|s|ms)){1,4}$",
        extra={
            "cel": (
                Rule(
                    cel="duration(self) >= duration('1ms') && duration(self) <= duration('24h')",
                    message="a duration lies between 1ms and 24h",
                    cure="write it like 30s, 500ms or 2m30s",
                ),
            )
        },
    ),
]
"""A duration as in the Gateway API (GEP-2257), 1 ms to 24 h."""

TimeZone = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        extra={
            "cel": (
                Rule(
                    # The API server knows no list of zones: the name's form here, the rest offline.
                    cel=r"self.matches('^(UTC|[A-Z][A-Za-z]+(/[A-Z][A-Za-z0-9_+-]+){1,2})$')",
                    message="timeZone must be an IANA zone such as Europe/Berlin",
                    cure="take the name from the IANA time zone database, or leave it out for UTC",
                ),
            )
        },
    ),
]
"""IANA time zone."""

HTTPS_OR_LOOPBACK = (
    r"^(https://|http://(localhost|127\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}|\\[::1\\])([:/]|$))"
)
"""As inside a CEL string: a URL that may carry what must not be read or replaced on the way."""

URL_FORM = (
    r"^https?://([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\\[[0-9A-Fa-f:.]+\\])"
    r"(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
    r"(/[A-Za-z0-9._~!$&()*+,;=:@%/-]*)?$"
)
"""As inside a CEL string: scheme, host, port and path; no user, query or fragment."""

BaseURL = Annotated[
    str,
    Meta(
        min_length=8,
        max_length=512,
        extra={
            "cel": (
                Rule(
                    cel=f"self.matches('{URL_FORM}')",
                    message="a base URL is http or https, a host, and at most a port and a path",
                    cure="write it like https://api.openai.com/v1, without user, query or fragment",
                ),
            )
        },
    ),
]
"""Where a provider's API begins."""

PemBundle = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=65536,
        pattern=r"^\s*-----BEGIN CERTIFICATE-----",
    ),
]
"""Certificates in PEM (RFC 7468)."""

FORMS: dict[str, str] = {
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$": "use a-z, 0-9 and '-', beginning and ending with a letter"
    " or digit",
    r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$": "use letters, digits, '.', '_' and '-',"
    " beginning and ending with a letter or digit",
    r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$": "use letters, digits and . _ : / @ + -, such as"
    " gpt-5-mini or org/model",
    r"^[A-Z]{3}$": "write an ISO 4217 code such as USD",
    r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,12})?$": 'write a decimal string such as "500.00"',
    r"^(0|[1-9][0-9]{0,8})(\.[0-9]{1,6})?$": "write a decimal string with at most six decimals,"
    ' such as "0.25"',
    r"^([0-9]{1,5}(h|m|s|ms)){1,4}$": "write a duration such as 30s, 500ms or 2m30s",
    r"^\s*-----BEGIN CERTIFICATE-----": "paste certificates in PEM, beginning with"
    " -----BEGIN CERTIFICATE-----",
    r"^https?://[^\s@]+$": "write an address such as https://idp.example/jwks.json",
    r"^\s*\{": "write the key set as a JSON object",
    r"^[^\x00-\x1f\x7f]+$": "use no control characters",
    r"^\S+$": "use no spaces",
}
"""What a pattern asks for, in words."""
