"""ModelProvider: a tenant's own place where models are served."""

from typing import Annotated, ClassVar

from msgspec import Meta, field

from bailiwick_operator.api.v1alpha1.base import (
    API_VERSION,
    BY_NAME,
    LABEL_NAME,
    Model,
    ObjectMeta,
    Rule,
    Status,
)
from bailiwick_operator.api.v1alpha1.cluster_model_provider import (
    CA_NEEDS_TLS,
    KEY_NEEDS_TLS,
    OUTPUT_FITS,
)
from bailiwick_operator.api.v1alpha1.provider import Credentials, Protocol, Tls
from bailiwick_operator.api.v1alpha1.scalars import BaseURL, ModelName, Tokens


class OwnModel(Model, frozen=True, kw_only=True):
    """A model that a tenant's own provider serves."""

    RULES: ClassVar[tuple[Rule, ...]] = (OUTPUT_FITS,)

    name: Annotated[ModelName, Meta(description="What the provider calls the model.")]
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


class ModelProviderSpec(Model, frozen=True, kw_only=True):
    """Where a tenant's own models are served.

    Tier and region are those of Tenant.spec.ownProviders; prices are the platform's.
    """

    RULES: ClassVar[tuple[Rule, ...]] = (KEY_NEEDS_TLS, CA_NEEDS_TLS)

    protocol: Annotated[Protocol, Meta(description="How the provider is spoken to.")]
    base_url: Annotated[
        BaseURL,
        Meta(
            description=(
                "Where the API begins. Its host must be one of Tenant.spec.ownProviders.hosts."
            )
        ),
    ] = field(name="baseURL")
    credentials: Annotated[
        Credentials,
        Meta(
            description=(
                "Where the provider's key is found; a Vault path must begin with"
                " Tenant.spec.ownProviders.vaultPrefix."
            )
        ),
    ]
    tls: Annotated[Tls | None, Meta(description="How the provider's certificate is verified.")] = (
        None
    )
    models: Annotated[
        tuple[OwnModel, ...],
        Meta(
            description="Models that the provider serves.",
            min_length=1,
            max_length=128,
            extra_json_schema=BY_NAME,
        ),
    ]


class ModelProvider(Model, frozen=True, kw_only=True):
    """A tenant's own provider, where its Tenant allows own providers."""

    RULES: ClassVar[tuple[Rule, ...]] = (LABEL_NAME,)

    api_version: str = API_VERSION
    kind: str = "ModelProvider"
    metadata: ObjectMeta
    spec: ModelProviderSpec
    status: Status | None = None
