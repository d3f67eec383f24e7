"""Who a tenant's callers are: token issuers, claims and service accounts."""

from typing import Annotated, ClassVar

from msgspec import Meta

from bailiwick_operator.api.v1alpha1.base import AS_SET, BY_NAME, Model, Rule
from bailiwick_operator.api.v1alpha1.scalars import (
    HTTPS_OR_LOOPBACK,
    ClaimName,
    DnsLabel,
    ItemName,
)

JwksUri = Annotated[str, Meta(min_length=8, max_length=512, pattern=r"^https?://[^\s@]+$")]
"""Where a key set is fetched."""

JwksInline = Annotated[str, Meta(min_length=2, max_length=65536, pattern=r"^\s*\{")]
"""A key set as JSON."""


class Jwks(Model, frozen=True, kw_only=True):
    """Keys that an issuer signs with (RFC 7517)."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="has(self.uri) != has(self.inline)",
            message="jwks needs exactly one of uri and inline",
            cure="name where the key set is fetched, or give the key set itself",
        ),
        Rule(
            cel=f"!has(self.uri) || self.uri.matches('{HTTPS_OR_LOOPBACK}')",
            message="jwks.uri must be https: who can change the keys can be any caller",
            cure="use an https address; plain http is for loopback addresses only",
            field=".uri",
        ),
        Rule(
            cel=r"""!has(self.inline) || !self.inline.matches('"(d|k)"\\s*:')""",
            message="jwks.inline holds a private or symmetric key: give public keys only",
            cure="replace that key, which is known now, and give n and e, or crv, x and y alone",
            field=".inline",
        ),
    )

    uri: Annotated[
        JwksUri | None,
        Meta(description="Where the gateway fetches the key set; it keeps the last good one."),
    ] = None
    inline: Annotated[JwksInline | None, Meta(description="The key set itself, as JSON.")] = None


class RequiredClaim(Model, frozen=True, kw_only=True):
    """A claim that must have exactly one value."""

    claim: Annotated[ClaimName, Meta(description="Name of the claim.")]
    value: Annotated[str, Meta(description="The value it must have.", min_length=1, max_length=256)]


class ClaimMapping(Model, frozen=True, kw_only=True):
    """Where in a token a value is found."""

    claim: Annotated[
        ClaimName,
        Meta(
            description=(
                'Name of the claim. One that begins with "/" is a JSON pointer (RFC 6901) into'
                " nested claims."
            )
        ),
    ]


class ClaimMappings(Model, frozen=True, kw_only=True):
    """Which claims say who calls."""

    team: Annotated[
        ClaimMapping,
        Meta(description="Claim that holds the team's name or one of its claimValues."),
    ]
    project: Annotated[
        ClaimMapping | None,
        Meta(description="Claim that holds the project. Absent: callers have none."),
    ] = None
    user: Annotated[
        ClaimMapping, Meta(description="Claim that holds the user. Default: {claim: sub}.")
    ] = ClaimMapping(claim="sub")


class JwtIssuer(Model, frozen=True, kw_only=True):
    """An issuer of JSON Web Tokens (RFC 7519) that this tenant trusts."""

    name: Annotated[DnsLabel, Meta(description="Name, unique in the tenant.")]
    issuer: Annotated[
        str,
        Meta(
            description="Exact value of the claim iss.",
            min_length=1,
            max_length=512,
            pattern=r"^\S+$",
        ),
    ]
    audiences: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=256)], ...],
        Meta(
            description="At least one of these must be in the claim aud.",
            min_length=1,
            max_length=16,
            extra_json_schema=AS_SET,
        ),
    ]
    jwks: Annotated[Jwks, Meta(description="Keys that the issuer signs with.")]
    required_claims: Annotated[
        tuple[RequiredClaim, ...],
        Meta(
            description=(
                "Claims that must have exactly this value. An issuer that serves more than one"
                " tenant needs the one that names the tenant."
            ),
            max_length=16,
            extra_json_schema={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["claim"],
            },
        ),
    ] = ()
    claim_mappings: Annotated[ClaimMappings, Meta(description="Which claims say who calls.")]


class ServiceAccountBinding(Model, frozen=True, kw_only=True):
    """A service account whose pods call with their own projected token."""

    name: Annotated[DnsLabel, Meta(description="Name, unique in the list.")]
    namespace: Annotated[DnsLabel, Meta(description="Namespace of the service account.")]
    service_account: Annotated[
        str,
        Meta(
            description="Name of the service account.",
            min_length=1,
            max_length=253,
            pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$",
        ),
    ]
    team: Annotated[ItemName, Meta(description="Team that its calls count for.")]
    project: Annotated[
        ItemName | None, Meta(description="Project of that team that its calls count for.")
    ] = None


class ServiceAccounts(Model, frozen=True, kw_only=True):
    """Pods that call with their own projected token and hold no key."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=(
                "self.bindings.all(a, !self.bindings.exists(b, b.name != a.name"
                " && b.__namespace__ == a.__namespace__ && b.serviceAccount == a.serviceAccount))"
            ),
            message="two bindings name the same service account",
            cure="keep one of them: a service account calls for one team",
            field=".bindings",
        ),
    )

    audience: Annotated[
        str,
        Meta(
            description="Audience that the pods' tokens are projected for.",
            min_length=1,
            max_length=256,
            pattern=r"^\S+$",
        ),
    ]
    bindings: Annotated[
        tuple[ServiceAccountBinding, ...],
        Meta(
            description="Which service account calls for which team.",
            min_length=1,
            max_length=128,
            extra_json_schema=BY_NAME,
        ),
    ]


class Callers(Model, frozen=True, kw_only=True):
    """Who may call; nobody else may."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=(
                "!has(self.jwt) || self.jwt.all(a,"
                " !self.jwt.exists(b, b.name != a.name && b.issuer == a.issuer))"
            ),
            message="two entries of callers.jwt have the same issuer",
            cure="merge them: a token could not tell which one it is for",
            field=".jwt",
        ),
    )

    jwt: Annotated[
        tuple[JwtIssuer, ...],
        Meta(
            description="Issuers of JSON Web Tokens that are trusted.",
            max_length=16,
            extra_json_schema=BY_NAME,
        ),
    ] = ()
    service_accounts: Annotated[
        ServiceAccounts | None,
        Meta(description="Pods that call with their own projected token."),
    ] = None
