from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Dimension(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DIMENSION_UNSPECIFIED: _ClassVar[Dimension]
    DIMENSION_TEAM: _ClassVar[Dimension]
    DIMENSION_PROJECT: _ClassVar[Dimension]
    DIMENSION_USER: _ClassVar[Dimension]
    DIMENSION_ROUTE: _ClassVar[Dimension]
    DIMENSION_TIER: _ClassVar[Dimension]

class UnpricedModels(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    UNPRICED_MODELS_UNSPECIFIED: _ClassVar[UnpricedModels]
    UNPRICED_MODELS_DENY: _ClassVar[UnpricedModels]
    UNPRICED_MODELS_ALLOW: _ClassVar[UnpricedModels]
DIMENSION_UNSPECIFIED: Dimension
DIMENSION_TEAM: Dimension
DIMENSION_PROJECT: Dimension
DIMENSION_USER: Dimension
DIMENSION_ROUTE: Dimension
DIMENSION_TIER: Dimension
UNPRICED_MODELS_UNSPECIFIED: UnpricedModels
UNPRICED_MODELS_DENY: UnpricedModels
UNPRICED_MODELS_ALLOW: UnpricedModels

class TenantConfig(_message.Message):
    __slots__ = ("contract_version", "tenant", "tenant_uid", "namespace", "currency", "time_zone", "issuers", "service_accounts", "teams", "caller_tags", "model_access", "providers", "routes", "limits", "unpriced_models", "on_outage", "logging", "deny_reason", "vault", "quota_store")
    CONTRACT_VERSION_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    TENANT_UID_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    ISSUERS_FIELD_NUMBER: _ClassVar[int]
    SERVICE_ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    TEAMS_FIELD_NUMBER: _ClassVar[int]
    CALLER_TAGS_FIELD_NUMBER: _ClassVar[int]
    MODEL_ACCESS_FIELD_NUMBER: _ClassVar[int]
    PROVIDERS_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    UNPRICED_MODELS_FIELD_NUMBER: _ClassVar[int]
    ON_OUTAGE_FIELD_NUMBER: _ClassVar[int]
    LOGGING_FIELD_NUMBER: _ClassVar[int]
    DENY_REASON_FIELD_NUMBER: _ClassVar[int]
    VAULT_FIELD_NUMBER: _ClassVar[int]
    QUOTA_STORE_FIELD_NUMBER: _ClassVar[int]
    contract_version: int
    tenant: str
    tenant_uid: str
    namespace: str
    currency: str
    time_zone: str
    issuers: _containers.RepeatedCompositeFieldContainer[Issuer]
    service_accounts: _containers.RepeatedCompositeFieldContainer[ServiceAccountBinding]
    teams: _containers.RepeatedCompositeFieldContainer[Team]
    caller_tags: _containers.RepeatedScalarFieldContainer[str]
    model_access: _containers.RepeatedCompositeFieldContainer[ModelAccess]
    providers: _containers.RepeatedCompositeFieldContainer[Provider]
    routes: _containers.RepeatedCompositeFieldContainer[Route]
    limits: _containers.RepeatedCompositeFieldContainer[Limit]
    unpriced_models: UnpricedModels
    on_outage: OnOutage
    logging: Logging
    deny_reason: str
    vault: Vault
    quota_store: QuotaStore
    def __init__(self, contract_version: _Optional[int] = ..., tenant: _Optional[str] = ..., tenant_uid: _Optional[str] = ..., namespace: _Optional[str] = ..., currency: _Optional[str] = ..., time_zone: _Optional[str] = ..., issuers: _Optional[_Iterable[_Union[Issuer, _Mapping]]] = ..., service_accounts: _Optional[_Iterable[_Union[ServiceAccountBinding, _Mapping]]] = ..., teams: _Optional[_Iterable[_Union[Team, _Mapping]]] = ..., caller_tags: _Optional[_Iterable[str]] = ..., model_access: _Optional[_Iterable[_Union[ModelAccess, _Mapping]]] = ..., providers: _Optional[_Iterable[_Union[Provider, _Mapping]]] = ..., routes: _Optional[_Iterable[_Union[Route, _Mapping]]] = ..., limits: _Optional[_Iterable[_Union[Limit, _Mapping]]] = ..., unpriced_models: _Optional[_Union[UnpricedModels, str]] = ..., on_outage: _Optional[_Union[OnOutage, _Mapping]] = ..., logging: _Optional[_Union[Logging, _Mapping]] = ..., deny_reason: _Optional[str] = ..., vault: _Optional[_Union[Vault, _Mapping]] = ..., quota_store: _Optional[_Union[QuotaStore, _Mapping]] = ...) -> None: ...

class QuotaStore(_message.Message):
    __slots__ = ("host", "port", "tls", "ca_bundle", "prefix", "user", "credential", "sentinels", "primary", "server_port", "nodes")
    class Endpoint(_message.Message):
        __slots__ = ("host", "port")
        HOST_FIELD_NUMBER: _ClassVar[int]
        PORT_FIELD_NUMBER: _ClassVar[int]
        host: str
        port: int
        def __init__(self, host: _Optional[str] = ..., port: _Optional[int] = ...) -> None: ...
    HOST_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    TLS_FIELD_NUMBER: _ClassVar[int]
    CA_BUNDLE_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    SENTINELS_FIELD_NUMBER: _ClassVar[int]
    PRIMARY_FIELD_NUMBER: _ClassVar[int]
    SERVER_PORT_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    host: str
    port: int
    tls: bool
    ca_bundle: str
    prefix: str
    user: str
    credential: Credential
    sentinels: _containers.RepeatedCompositeFieldContainer[QuotaStore.Endpoint]
    primary: str
    server_port: int
    nodes: _containers.RepeatedCompositeFieldContainer[QuotaStore.Endpoint]
    def __init__(self, host: _Optional[str] = ..., port: _Optional[int] = ..., tls: _Optional[bool] = ..., ca_bundle: _Optional[str] = ..., prefix: _Optional[str] = ..., user: _Optional[str] = ..., credential: _Optional[_Union[Credential, _Mapping]] = ..., sentinels: _Optional[_Iterable[_Union[QuotaStore.Endpoint, _Mapping]]] = ..., primary: _Optional[str] = ..., server_port: _Optional[int] = ..., nodes: _Optional[_Iterable[_Union[QuotaStore.Endpoint, _Mapping]]] = ...) -> None: ...

class Vault(_message.Message):
    __slots__ = ("auth_mount", "role", "notice")
    AUTH_MOUNT_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    NOTICE_FIELD_NUMBER: _ClassVar[int]
    auth_mount: str
    role: str
    notice: str
    def __init__(self, auth_mount: _Optional[str] = ..., role: _Optional[str] = ..., notice: _Optional[str] = ...) -> None: ...

class Issuer(_message.Message):
    __slots__ = ("name", "kind", "issuer", "audiences", "jwks_inline", "jwks_uri", "required_claims", "claim_mappings")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Issuer.Kind]
        KIND_JWT: _ClassVar[Issuer.Kind]
        KIND_SERVICE_ACCOUNT: _ClassVar[Issuer.Kind]
        KIND_DEVELOPMENT: _ClassVar[Issuer.Kind]
    KIND_UNSPECIFIED: Issuer.Kind
    KIND_JWT: Issuer.Kind
    KIND_SERVICE_ACCOUNT: Issuer.Kind
    KIND_DEVELOPMENT: Issuer.Kind
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    AUDIENCES_FIELD_NUMBER: _ClassVar[int]
    JWKS_INLINE_FIELD_NUMBER: _ClassVar[int]
    JWKS_URI_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_CLAIMS_FIELD_NUMBER: _ClassVar[int]
    CLAIM_MAPPINGS_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: Issuer.Kind
    issuer: str
    audiences: _containers.RepeatedScalarFieldContainer[str]
    jwks_inline: str
    jwks_uri: str
    required_claims: _containers.RepeatedCompositeFieldContainer[RequiredClaim]
    claim_mappings: ClaimMappings
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[_Union[Issuer.Kind, str]] = ..., issuer: _Optional[str] = ..., audiences: _Optional[_Iterable[str]] = ..., jwks_inline: _Optional[str] = ..., jwks_uri: _Optional[str] = ..., required_claims: _Optional[_Iterable[_Union[RequiredClaim, _Mapping]]] = ..., claim_mappings: _Optional[_Union[ClaimMappings, _Mapping]] = ...) -> None: ...

class RequiredClaim(_message.Message):
    __slots__ = ("claim", "value")
    CLAIM_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    claim: str
    value: str
    def __init__(self, claim: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class ClaimMappings(_message.Message):
    __slots__ = ("team", "project", "user")
    TEAM_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    team: str
    project: str
    user: str
    def __init__(self, team: _Optional[str] = ..., project: _Optional[str] = ..., user: _Optional[str] = ...) -> None: ...

class ServiceAccountBinding(_message.Message):
    __slots__ = ("name", "namespace", "service_account", "team", "project")
    NAME_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    SERVICE_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    TEAM_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    name: str
    namespace: str
    service_account: str
    team: str
    project: str
    def __init__(self, name: _Optional[str] = ..., namespace: _Optional[str] = ..., service_account: _Optional[str] = ..., team: _Optional[str] = ..., project: _Optional[str] = ...) -> None: ...

class Team(_message.Message):
    __slots__ = ("name", "claim_values", "projects", "cost_center")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CLAIM_VALUES_FIELD_NUMBER: _ClassVar[int]
    PROJECTS_FIELD_NUMBER: _ClassVar[int]
    COST_CENTER_FIELD_NUMBER: _ClassVar[int]
    name: str
    claim_values: _containers.RepeatedScalarFieldContainer[str]
    projects: _containers.RepeatedCompositeFieldContainer[Project]
    cost_center: str
    def __init__(self, name: _Optional[str] = ..., claim_values: _Optional[_Iterable[str]] = ..., projects: _Optional[_Iterable[_Union[Project, _Mapping]]] = ..., cost_center: _Optional[str] = ...) -> None: ...

class Project(_message.Message):
    __slots__ = ("name", "cost_center")
    NAME_FIELD_NUMBER: _ClassVar[int]
    COST_CENTER_FIELD_NUMBER: _ClassVar[int]
    name: str
    cost_center: str
    def __init__(self, name: _Optional[str] = ..., cost_center: _Optional[str] = ...) -> None: ...

class ModelAccess(_message.Message):
    __slots__ = ("tier", "teams")
    TIER_FIELD_NUMBER: _ClassVar[int]
    TEAMS_FIELD_NUMBER: _ClassVar[int]
    tier: str
    teams: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, tier: _Optional[str] = ..., teams: _Optional[_Iterable[str]] = ...) -> None: ...

class Provider(_message.Message):
    __slots__ = ("name", "protocol", "tls", "host", "port", "path", "region", "ca_bundle", "credential")
    class Protocol(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PROTOCOL_UNSPECIFIED: _ClassVar[Provider.Protocol]
        PROTOCOL_OPENAI: _ClassVar[Provider.Protocol]
    PROTOCOL_UNSPECIFIED: Provider.Protocol
    PROTOCOL_OPENAI: Provider.Protocol
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    TLS_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    CA_BUNDLE_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    name: str
    protocol: Provider.Protocol
    tls: bool
    host: str
    port: int
    path: str
    region: str
    ca_bundle: str
    credential: Credential
    def __init__(self, name: _Optional[str] = ..., protocol: _Optional[_Union[Provider.Protocol, str]] = ..., tls: _Optional[bool] = ..., host: _Optional[str] = ..., port: _Optional[int] = ..., path: _Optional[str] = ..., region: _Optional[str] = ..., ca_bundle: _Optional[str] = ..., credential: _Optional[_Union[Credential, _Mapping]] = ...) -> None: ...

class Credential(_message.Message):
    __slots__ = ("type", "mount", "path", "key")
    class Type(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        TYPE_UNSPECIFIED: _ClassVar[Credential.Type]
        TYPE_NONE: _ClassVar[Credential.Type]
        TYPE_VAULT: _ClassVar[Credential.Type]
        TYPE_SECRET: _ClassVar[Credential.Type]
        TYPE_WORKLOAD_IDENTITY: _ClassVar[Credential.Type]
    TYPE_UNSPECIFIED: Credential.Type
    TYPE_NONE: Credential.Type
    TYPE_VAULT: Credential.Type
    TYPE_SECRET: Credential.Type
    TYPE_WORKLOAD_IDENTITY: Credential.Type
    TYPE_FIELD_NUMBER: _ClassVar[int]
    MOUNT_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    type: Credential.Type
    mount: str
    path: str
    key: str
    def __init__(self, type: _Optional[_Union[Credential.Type, str]] = ..., mount: _Optional[str] = ..., path: _Optional[str] = ..., key: _Optional[str] = ...) -> None: ...

class Route(_message.Message):
    __slots__ = ("name", "aliases", "backends", "fallback", "timeouts", "max_output_tokens", "default_output_tokens", "teams", "stickiness", "on_exceed")
    class Stickiness(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STICKINESS_UNSPECIFIED: _ClassVar[Route.Stickiness]
        STICKINESS_USER: _ClassVar[Route.Stickiness]
    STICKINESS_UNSPECIFIED: Route.Stickiness
    STICKINESS_USER: Route.Stickiness
    class OnExceed(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ON_EXCEED_UNSPECIFIED: _ClassVar[Route.OnExceed]
        ON_EXCEED_CUT: _ClassVar[Route.OnExceed]
    ON_EXCEED_UNSPECIFIED: Route.OnExceed
    ON_EXCEED_CUT: Route.OnExceed
    NAME_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    BACKENDS_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_FIELD_NUMBER: _ClassVar[int]
    TIMEOUTS_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TEAMS_FIELD_NUMBER: _ClassVar[int]
    STICKINESS_FIELD_NUMBER: _ClassVar[int]
    ON_EXCEED_FIELD_NUMBER: _ClassVar[int]
    name: str
    aliases: _containers.RepeatedScalarFieldContainer[str]
    backends: _containers.RepeatedCompositeFieldContainer[Backend]
    fallback: Fallback
    timeouts: Timeouts
    max_output_tokens: int
    default_output_tokens: int
    teams: _containers.RepeatedScalarFieldContainer[str]
    stickiness: Route.Stickiness
    on_exceed: Route.OnExceed
    def __init__(self, name: _Optional[str] = ..., aliases: _Optional[_Iterable[str]] = ..., backends: _Optional[_Iterable[_Union[Backend, _Mapping]]] = ..., fallback: _Optional[_Union[Fallback, _Mapping]] = ..., timeouts: _Optional[_Union[Timeouts, _Mapping]] = ..., max_output_tokens: _Optional[int] = ..., default_output_tokens: _Optional[int] = ..., teams: _Optional[_Iterable[str]] = ..., stickiness: _Optional[_Union[Route.Stickiness, str]] = ..., on_exceed: _Optional[_Union[Route.OnExceed, str]] = ...) -> None: ...

class Backend(_message.Message):
    __slots__ = ("name", "provider", "model", "tier", "weight", "priority", "max_output_tokens", "context_window", "prices")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_WINDOW_FIELD_NUMBER: _ClassVar[int]
    PRICES_FIELD_NUMBER: _ClassVar[int]
    name: str
    provider: str
    model: str
    tier: str
    weight: int
    priority: int
    max_output_tokens: int
    context_window: int
    prices: _containers.RepeatedCompositeFieldContainer[DatedPrice]
    def __init__(self, name: _Optional[str] = ..., provider: _Optional[str] = ..., model: _Optional[str] = ..., tier: _Optional[str] = ..., weight: _Optional[int] = ..., priority: _Optional[int] = ..., max_output_tokens: _Optional[int] = ..., context_window: _Optional[int] = ..., prices: _Optional[_Iterable[_Union[DatedPrice, _Mapping]]] = ...) -> None: ...

class DatedPrice(_message.Message):
    __slots__ = ("source", "rates", "service_tiers")
    FROM_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    RATES_FIELD_NUMBER: _ClassVar[int]
    SERVICE_TIERS_FIELD_NUMBER: _ClassVar[int]
    source: str
    rates: Rates
    service_tiers: _containers.RepeatedCompositeFieldContainer[ServiceTier]
    def __init__(self, source: _Optional[str] = ..., rates: _Optional[_Union[Rates, _Mapping]] = ..., service_tiers: _Optional[_Iterable[_Union[ServiceTier, _Mapping]]] = ..., **kwargs) -> None: ...

class ServiceTier(_message.Message):
    __slots__ = ("name", "rates")
    NAME_FIELD_NUMBER: _ClassVar[int]
    RATES_FIELD_NUMBER: _ClassVar[int]
    name: str
    rates: Rates
    def __init__(self, name: _Optional[str] = ..., rates: _Optional[_Union[Rates, _Mapping]] = ...) -> None: ...

class Rates(_message.Message):
    __slots__ = ("input_per_million", "cached_input_per_million", "output_per_million", "cache_write_per_million", "input_audio_per_million", "output_audio_per_million", "per_request", "per_image")
    INPUT_PER_MILLION_FIELD_NUMBER: _ClassVar[int]
    CACHED_INPUT_PER_MILLION_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_PER_MILLION_FIELD_NUMBER: _ClassVar[int]
    CACHE_WRITE_PER_MILLION_FIELD_NUMBER: _ClassVar[int]
    INPUT_AUDIO_PER_MILLION_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_AUDIO_PER_MILLION_FIELD_NUMBER: _ClassVar[int]
    PER_REQUEST_FIELD_NUMBER: _ClassVar[int]
    PER_IMAGE_FIELD_NUMBER: _ClassVar[int]
    input_per_million: str
    cached_input_per_million: str
    output_per_million: str
    cache_write_per_million: str
    input_audio_per_million: str
    output_audio_per_million: str
    per_request: str
    per_image: str
    def __init__(self, input_per_million: _Optional[str] = ..., cached_input_per_million: _Optional[str] = ..., output_per_million: _Optional[str] = ..., cache_write_per_million: _Optional[str] = ..., input_audio_per_million: _Optional[str] = ..., output_audio_per_million: _Optional[str] = ..., per_request: _Optional[str] = ..., per_image: _Optional[str] = ...) -> None: ...

class Fallback(_message.Message):
    __slots__ = ("when", "max_attempts", "retry_budget")
    class When(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        WHEN_UNSPECIFIED: _ClassVar[Fallback.When]
        WHEN_CONNECT_FAILURE: _ClassVar[Fallback.When]
        WHEN_FIRST_BYTE_TIMEOUT: _ClassVar[Fallback.When]
        WHEN_RATE_LIMITED: _ClassVar[Fallback.When]
        WHEN_SERVER_ERROR: _ClassVar[Fallback.When]
    WHEN_UNSPECIFIED: Fallback.When
    WHEN_CONNECT_FAILURE: Fallback.When
    WHEN_FIRST_BYTE_TIMEOUT: Fallback.When
    WHEN_RATE_LIMITED: Fallback.When
    WHEN_SERVER_ERROR: Fallback.When
    WHEN_FIELD_NUMBER: _ClassVar[int]
    MAX_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    RETRY_BUDGET_FIELD_NUMBER: _ClassVar[int]
    when: _containers.RepeatedScalarFieldContainer[Fallback.When]
    max_attempts: int
    retry_budget: RetryBudget
    def __init__(self, when: _Optional[_Iterable[_Union[Fallback.When, str]]] = ..., max_attempts: _Optional[int] = ..., retry_budget: _Optional[_Union[RetryBudget, _Mapping]] = ...) -> None: ...

class RetryBudget(_message.Message):
    __slots__ = ("percent", "min_per_minute")
    PERCENT_FIELD_NUMBER: _ClassVar[int]
    MIN_PER_MINUTE_FIELD_NUMBER: _ClassVar[int]
    percent: int
    min_per_minute: int
    def __init__(self, percent: _Optional[int] = ..., min_per_minute: _Optional[int] = ...) -> None: ...

class Timeouts(_message.Message):
    __slots__ = ("request_ms", "backend_request_ms", "first_byte_ms", "stream_idle_ms")
    REQUEST_MS_FIELD_NUMBER: _ClassVar[int]
    BACKEND_REQUEST_MS_FIELD_NUMBER: _ClassVar[int]
    FIRST_BYTE_MS_FIELD_NUMBER: _ClassVar[int]
    STREAM_IDLE_MS_FIELD_NUMBER: _ClassVar[int]
    request_ms: int
    backend_request_ms: int
    first_byte_ms: int
    stream_idle_ms: int
    def __init__(self, request_ms: _Optional[int] = ..., backend_request_ms: _Optional[int] = ..., first_byte_ms: _Optional[int] = ..., stream_idle_ms: _Optional[int] = ...) -> None: ...

class Limit(_message.Message):
    __slots__ = ("id", "kind", "scope", "mode", "subject", "each", "amount", "money", "unless", "thresholds")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Limit.Kind]
        KIND_REQUESTS_PER_SECOND: _ClassVar[Limit.Kind]
        KIND_REQUESTS_PER_MINUTE: _ClassVar[Limit.Kind]
        KIND_TOKENS_PER_MINUTE: _ClassVar[Limit.Kind]
        KIND_CONCURRENT_REQUESTS: _ClassVar[Limit.Kind]
        KIND_TOKENS_PER_MONTH: _ClassVar[Limit.Kind]
        KIND_BUDGET_DAY: _ClassVar[Limit.Kind]
        KIND_BUDGET_MONTH: _ClassVar[Limit.Kind]
    KIND_UNSPECIFIED: Limit.Kind
    KIND_REQUESTS_PER_SECOND: Limit.Kind
    KIND_REQUESTS_PER_MINUTE: Limit.Kind
    KIND_TOKENS_PER_MINUTE: Limit.Kind
    KIND_CONCURRENT_REQUESTS: Limit.Kind
    KIND_TOKENS_PER_MONTH: Limit.Kind
    KIND_BUDGET_DAY: Limit.Kind
    KIND_BUDGET_MONTH: Limit.Kind
    class Scope(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SCOPE_UNSPECIFIED: _ClassVar[Limit.Scope]
        SCOPE_TENANT: _ClassVar[Limit.Scope]
        SCOPE_NAMESPACE: _ClassVar[Limit.Scope]
    SCOPE_UNSPECIFIED: Limit.Scope
    SCOPE_TENANT: Limit.Scope
    SCOPE_NAMESPACE: Limit.Scope
    class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        MODE_UNSPECIFIED: _ClassVar[Limit.Mode]
        MODE_ENFORCE: _ClassVar[Limit.Mode]
        MODE_SHADOW: _ClassVar[Limit.Mode]
    MODE_UNSPECIFIED: Limit.Mode
    MODE_ENFORCE: Limit.Mode
    MODE_SHADOW: Limit.Mode
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    EACH_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    MONEY_FIELD_NUMBER: _ClassVar[int]
    UNLESS_FIELD_NUMBER: _ClassVar[int]
    THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    id: str
    kind: Limit.Kind
    scope: Limit.Scope
    mode: Limit.Mode
    subject: Subject
    each: _containers.RepeatedScalarFieldContainer[Dimension]
    amount: int
    money: str
    unless: _containers.RepeatedCompositeFieldContainer[Subject]
    thresholds: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, id: _Optional[str] = ..., kind: _Optional[_Union[Limit.Kind, str]] = ..., scope: _Optional[_Union[Limit.Scope, str]] = ..., mode: _Optional[_Union[Limit.Mode, str]] = ..., subject: _Optional[_Union[Subject, _Mapping]] = ..., each: _Optional[_Iterable[_Union[Dimension, str]]] = ..., amount: _Optional[int] = ..., money: _Optional[str] = ..., unless: _Optional[_Iterable[_Union[Subject, _Mapping]]] = ..., thresholds: _Optional[_Iterable[int]] = ...) -> None: ...

class Subject(_message.Message):
    __slots__ = ("team", "project", "user", "route", "tier")
    TEAM_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    team: str
    project: str
    user: str
    route: str
    tier: str
    def __init__(self, team: _Optional[str] = ..., project: _Optional[str] = ..., user: _Optional[str] = ..., route: _Optional[str] = ..., tier: _Optional[str] = ...) -> None: ...

class OnOutage(_message.Message):
    __slots__ = ("quota_store", "ledger")
    class QuotaStore(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        QUOTA_STORE_UNSPECIFIED: _ClassVar[OnOutage.QuotaStore]
        QUOTA_STORE_DENY: _ClassVar[OnOutage.QuotaStore]
        QUOTA_STORE_ALLOW: _ClassVar[OnOutage.QuotaStore]
        QUOTA_STORE_LOCAL_SHARE: _ClassVar[OnOutage.QuotaStore]
    QUOTA_STORE_UNSPECIFIED: OnOutage.QuotaStore
    QUOTA_STORE_DENY: OnOutage.QuotaStore
    QUOTA_STORE_ALLOW: OnOutage.QuotaStore
    QUOTA_STORE_LOCAL_SHARE: OnOutage.QuotaStore
    class Ledger(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        LEDGER_UNSPECIFIED: _ClassVar[OnOutage.Ledger]
        LEDGER_DENY: _ClassVar[OnOutage.Ledger]
        LEDGER_ALLOW: _ClassVar[OnOutage.Ledger]
    LEDGER_UNSPECIFIED: OnOutage.Ledger
    LEDGER_DENY: OnOutage.Ledger
    LEDGER_ALLOW: OnOutage.Ledger
    QUOTA_STORE_FIELD_NUMBER: _ClassVar[int]
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    quota_store: OnOutage.QuotaStore
    ledger: OnOutage.Ledger
    def __init__(self, quota_store: _Optional[_Union[OnOutage.QuotaStore, str]] = ..., ledger: _Optional[_Union[OnOutage.Ledger, str]] = ...) -> None: ...

class Logging(_message.Message):
    __slots__ = ("content", "retention_days")
    class Content(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        CONTENT_UNSPECIFIED: _ClassVar[Logging.Content]
        CONTENT_NONE: _ClassVar[Logging.Content]
    CONTENT_UNSPECIFIED: Logging.Content
    CONTENT_NONE: Logging.Content
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    RETENTION_DAYS_FIELD_NUMBER: _ClassVar[int]
    content: Logging.Content
    retention_days: int
    def __init__(self, content: _Optional[_Union[Logging.Content, str]] = ..., retention_days: _Optional[int] = ...) -> None: ...
