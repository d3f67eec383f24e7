"""What ClusterModelProvider and ModelProvider share: protocol, credentials, TLS, prices."""

from enum import Enum
from typing import Annotated, ClassVar

from msgspec import Meta

from bailiwick_operator.api.v1alpha1.base import BY_NAME, Model, Rule
from bailiwick_operator.api.v1alpha1.scalars import Money, PemBundle, PerMillion


class Protocol(Enum):
    """How a provider is spoken to."""

    OPENAI = "OpenAI"


class CredentialType(Enum):
    """Where a provider's key comes from."""

    VAULT = "Vault"
    WORKLOAD_IDENTITY = "WorkloadIdentity"
    SECRET = "Secret"  # noqa: S105 - the name of a type, not a secret
    NONE = "None"


class VaultReference(Model, frozen=True, kw_only=True):
    """Where in Vault's KV store a key lies; never the key."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=(
                r"self.path.matches('^([A-Za-z0-9_-]|\\{tenant\\}|\\{namespace\\})"
                r"([A-Za-z0-9._-]|\\{tenant\\}|\\{namespace\\})*"
                r"(/([A-Za-z0-9_-]|\\{tenant\\}|\\{namespace\\})"
                r"([A-Za-z0-9._-]|\\{tenant\\}|\\{namespace\\})*)*$')"
            ),
            message=(
                "vault.path is a relative path of letters, digits, '.', '_' and '-' in which only"
                " {tenant} and {namespace} expand"
            ),
            cure="write it like llm/{tenant}/openai, without a leading slash or '..'",
            field=".path",
        ),
    )

    path: Annotated[
        str,
        Meta(
            description=(
                "Path below the KV mount of the Tenant. {tenant} and {namespace} expand,"
                " so that each tenant can have a key of its own."
            ),
            min_length=1,
            max_length=256,
        ),
    ]
    key: Annotated[
        str,
        Meta(
            description="Field of the entry that holds the key.",
            min_length=1,
            max_length=63,
            pattern=r"^[A-Za-z0-9._-]+$",
        ),
    ]


class SecretReference(Model, frozen=True, kw_only=True):
    """Which Secret of the namespace holds a key."""

    name: Annotated[
        str,
        Meta(
            description=(
                "Name of the Secret, in the ModelProvider's namespace. It begins with"
                " bailiwick-key-: whoever makes a Secret of that name means it for this."
            ),
            min_length=15,
            max_length=63,
            pattern=r"^bailiwick-key-[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
        ),
    ]
    key: Annotated[
        str,
        Meta(
            description="Entry of the Secret that holds the key.",
            min_length=1,
            max_length=63,
            pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$",
        ),
    ]


class Credentials(Model, frozen=True, kw_only=True):
    """How the gateway proves to the provider who pays."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="(self.type == 'Vault') == has(self.vault)",
            message="credentials.vault is required with type Vault and forbidden otherwise",
            cure="give vault: {path, key} with type Vault, or remove it",
        ),
        Rule(
            cel="self.type != 'WorkloadIdentity'",
            message="credentials.type WorkloadIdentity is not available yet: use Vault",
            cure="put the provider's key into Vault and name its path",
            field=".type",
        ),
        Rule(
            cel="(self.type == 'Secret') == has(self.secret)",
            message="credentials.secret is required with type Secret and forbidden otherwise",
            cure="give secret: {name, key} with type Secret, or remove it",
        ),
    )

    type: Annotated[
        CredentialType,
        Meta(
            description=(
                "Vault: a key in Vault. None: the provider asks for no key. Secret: a key in a"
                " Secret of the namespace, for a ModelProvider whose Tenant has"
                " ownProviders.secrets. WorkloadIdentity is a reserved name and refused."
            )
        ),
    ]
    vault: Annotated[
        VaultReference | None, Meta(description="Where the key lies, with type Vault.")
    ] = None
    secret: Annotated[
        SecretReference | None, Meta(description="Where the key lies, with type Secret.")
    ] = None


class Tls(Model, frozen=True, kw_only=True):
    """How the provider's certificate is verified."""

    ca_bundle: Annotated[
        PemBundle,
        Meta(
            description=(
                "Certificates (PEM) that the provider's certificate must chain to,"
                " instead of the system's."
            )
        ),
    ]


class TokenPrice(Model, frozen=True, kw_only=True):
    """What tokens and requests cost. Decimal strings; tokens are priced per million.

    A kind without a price costs what the kind it is part of costs: cached and audio input as
    input, audio output as output, a cache write as input.
    """

    input_per_million: Annotated[PerMillion, Meta(description="A million input tokens.")]
    cached_input_per_million: Annotated[
        PerMillion | None,
        Meta(description="A million input tokens that the provider had cached. Default: as input."),
    ] = None
    output_per_million: Annotated[PerMillion, Meta(description="A million output tokens.")]
    cache_write_per_million: Annotated[
        PerMillion | None,
        Meta(description="A million input tokens written to the cache. Default: as input."),
    ] = None
    input_audio_per_million: Annotated[
        PerMillion | None,
        Meta(description="A million audio input tokens. Default: as input."),
    ] = None
    output_audio_per_million: Annotated[
        PerMillion | None,
        Meta(description="A million audio output tokens. Default: as output."),
    ] = None
    per_request: Annotated[
        Money | None, Meta(description="Each request, on top of its tokens. Default: nothing.")
    ] = None


class ServiceTierPrice(TokenPrice, frozen=True, kw_only=True):
    """What a model costs in one of its provider's service tiers. Nothing is taken from another."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!(self.name in ['auto', 'default', 'standard'])",
            message="the price itself is that of the standard tier",
            cure="write it beside serviceTiers, and leave this one out",
            field=".name",
        ),
    )

    name: Annotated[
        str,
        Meta(
            description="As callers and the provider's answers name it, such as flex or priority.",
            min_length=1,
            max_length=32,
            pattern=r"^[a-z][a-z0-9_-]*$",
        ),
    ]


class Price(TokenPrice, frozen=True, kw_only=True):
    """What a model costs, in the standard service tier and in others."""

    per_image: Annotated[
        Money | None,
        Meta(description="Each image made, on top of request and tokens. Default: nothing."),
    ] = None
    service_tiers: Annotated[
        tuple[ServiceTierPrice, ...],
        Meta(
            description=(
                "Prices of other service tiers. Callers may ask for those that have one, with"
                " service_tier. Default: none."
            ),
            max_length=8,
            extra_json_schema=BY_NAME,
        ),
    ] = ()
