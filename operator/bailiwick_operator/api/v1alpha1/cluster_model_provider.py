"""ClusterModelProvider: where a model is served, written by the platform team."""

from typing import Annotated, ClassVar

from msgspec import Meta, field

from bailiwick_operator.api.v1alpha1.base import (
    API_VERSION,
    AS_SET,
    BY_NAME,
    LABEL_NAME,
    Model,
    ObjectMeta,
    Rule,
    Status,
)
from bailiwick_operator.api.v1alpha1.provider import Credentials, Price, Protocol, Tls
from bailiwick_operator.api.v1alpha1.scalars import (
    HTTPS_OR_LOOPBACK,
    BaseURL,
    Currency,
    DnsLabel,
    ItemName,
    ModelName,
    Region,
    Tokens,
)

KEY_NEEDS_TLS = Rule(
    cel=f"self.credentials.type == 'None' || self.baseURL.matches('{HTTPS_OR_LOOPBACK}')",
    message="a key may not travel over plain http: use https or credentials.type None",
    cure="plain http is for loopback addresses and for providers that take no key",
    field=".baseURL",
)
NO_SECRET = Rule(
    cel="self.credentials.type != 'Secret'",
    message="a ClusterModelProvider takes no key from a Secret",
    cure="put the key into Vault; a Secret is for a tenant's ModelProvider",
    field=".credentials.type",
)
CA_NEEDS_TLS = Rule(
    cel="!has(self.tls) || self.baseURL.startsWith('https://')",
    message="tls.caBundle has no effect with a plain http baseURL",
    cure="use an https baseURL, or remove tls",
    field=".tls",
)


OUTPUT_FITS = Rule(
    cel=(
        "!has(self.maxOutputTokens) || !has(self.contextWindow)"
        " || self.maxOutputTokens <= self.contextWindow"
    ),
    message="maxOutputTokens is above contextWindow, which holds input and output together",
    cure="correct one of the two from the provider's documentation",
    field=".maxOutputTokens",
)


class AllowedTenants(Model, frozen=True, kw_only=True):
    """Which tenants may route to a provider."""

    names: Annotated[
        tuple[DnsLabel, ...],
        Meta(
            description="Names of Tenants.",
            min_length=1,
            max_length=1024,
            extra_json_schema=AS_SET,
        ),
    ]


class PricedModel(Model, frozen=True, kw_only=True):
    """A model that a provider serves."""

    RULES: ClassVar[tuple[Rule, ...]] = (OUTPUT_FITS,)

    name: Annotated[ModelName, Meta(description="What the provider calls the model.")]
    tier: Annotated[
        ItemName | None,
        Meta(description="Tier that Tenant.spec.modelAccess opens. Default: the provider's."),
    ] = None
    max_output_tokens: Annotated[
        Tokens | None, Meta(description="Most output tokens the model gives in one answer.")
    ] = None
    context_window: Annotated[
        Tokens | None,
        Meta(
            description=(
                "Most tokens, input and output together. Reserved for input whose size"
                " has no known bound, such as images; without it such input is refused."
            )
        ),
    ] = None
    price: Annotated[
        Price | None,
        Meta(
            description=(
                "Price in the provider's currency. Default: the PriceBook entry of the day,"
                " else the genai-prices package."
            )
        ),
    ] = None


class ClusterModelProviderSpec(Model, frozen=True, kw_only=True):
    """Where models are served, for which tenants and at what price."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        KEY_NEEDS_TLS,
        NO_SECRET,
        CA_NEEDS_TLS,
        Rule(
            cel="has(self.tier) || self.models.all(m, has(m.tier))",
            message="every model needs a tier: set spec.tier, or tier on each model",
            cure="name a tier that Tenant.spec.modelAccess uses",
            field=".models",
        ),
        Rule(
            cel="has(self.currency) || self.models.all(m, !has(m.price))",
            message="currency is required where a model has a price",
            cure="add spec.currency, such as USD",
        ),
    )

    protocol: Annotated[Protocol, Meta(description="How the provider is spoken to.")]
    base_url: Annotated[
        BaseURL,
        Meta(description="Where the API begins, such as https://api.openai.com/v1."),
    ] = field(name="baseURL")
    region: Annotated[
        Region,
        Meta(description="Where the models run; Tenant.spec.residency names what is allowed."),
    ]
    tier: Annotated[ItemName | None, Meta(description="Tier of the models that name none.")] = None
    allowed_tenants: Annotated[
        AllowedTenants | None,
        Meta(description="Tenants that may use this provider. Absent: every tenant."),
    ] = None
    credentials: Annotated[Credentials, Meta(description="Where the provider's key is found.")]
    tls: Annotated[Tls | None, Meta(description="How the provider's certificate is verified.")] = (
        None
    )
    currency: Annotated[
        Currency | None, Meta(description="Currency of the prices below, ISO 4217.")
    ] = None
    models: Annotated[
        tuple[PricedModel, ...],
        Meta(
            description="Models that the provider serves.",
            min_length=1,
            max_length=128,
            extra_json_schema=BY_NAME,
        ),
    ]


class ClusterModelProvider(Model, frozen=True, kw_only=True):
    """Where models are served: protocol, base URL, region, tier, credentials, prices."""

    RULES: ClassVar[tuple[Rule, ...]] = (LABEL_NAME,)

    api_version: str = API_VERSION
    kind: str = "ClusterModelProvider"
    metadata: ObjectMeta
    spec: ClusterModelProviderSpec
    status: Status | None = None
