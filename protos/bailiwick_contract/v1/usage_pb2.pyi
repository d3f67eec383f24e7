from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class UsageBatch(_message.Message):
    __slots__ = ("contract_version", "tenant", "namespace", "currency", "rows", "gateway")
    CONTRACT_VERSION_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_FIELD_NUMBER: _ClassVar[int]
    contract_version: int
    tenant: str
    namespace: str
    currency: str
    rows: _containers.RepeatedCompositeFieldContainer[UsageRow]
    gateway: str
    def __init__(self, contract_version: _Optional[int] = ..., tenant: _Optional[str] = ..., namespace: _Optional[str] = ..., currency: _Optional[str] = ..., rows: _Optional[_Iterable[_Union[UsageRow, _Mapping]]] = ..., gateway: _Optional[str] = ...) -> None: ...

class UsageRow(_message.Message):
    __slots__ = ("stream_id", "attempt", "admitted_at", "ended_at", "team", "project", "cost_center", "user", "route", "alias", "backend", "provider", "model", "tier", "operation", "stream", "protocol", "state", "status", "reason", "input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens", "audio_input_tokens", "reasoning_output_tokens", "audio_output_tokens", "cost", "price_source", "reserved_input_tokens", "reserved_output_tokens", "reserved_cost", "duration_ms", "first_byte_ms", "tags", "provider_key", "provider_key_id")
    class TagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    ADMITTED_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    TEAM_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    COST_CENTER_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHED_INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHE_WRITE_TOKENS_FIELD_NUMBER: _ClassVar[int]
    AUDIO_INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    REASONING_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    AUDIO_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    PRICE_SOURCE_FIELD_NUMBER: _ClassVar[int]
    RESERVED_INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    RESERVED_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    RESERVED_COST_FIELD_NUMBER: _ClassVar[int]
    DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    FIRST_BYTE_MS_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_KEY_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_KEY_ID_FIELD_NUMBER: _ClassVar[int]
    stream_id: str
    attempt: int
    admitted_at: int
    ended_at: int
    team: str
    project: str
    cost_center: str
    user: str
    route: str
    alias: str
    backend: str
    provider: str
    model: str
    tier: str
    operation: str
    stream: bool
    protocol: str
    state: str
    status: int
    reason: str
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    audio_input_tokens: int
    reasoning_output_tokens: int
    audio_output_tokens: int
    cost: str
    price_source: str
    reserved_input_tokens: int
    reserved_output_tokens: int
    reserved_cost: str
    duration_ms: int
    first_byte_ms: int
    tags: _containers.ScalarMap[str, str]
    provider_key: str
    provider_key_id: str
    def __init__(self, stream_id: _Optional[str] = ..., attempt: _Optional[int] = ..., admitted_at: _Optional[int] = ..., ended_at: _Optional[int] = ..., team: _Optional[str] = ..., project: _Optional[str] = ..., cost_center: _Optional[str] = ..., user: _Optional[str] = ..., route: _Optional[str] = ..., alias: _Optional[str] = ..., backend: _Optional[str] = ..., provider: _Optional[str] = ..., model: _Optional[str] = ..., tier: _Optional[str] = ..., operation: _Optional[str] = ..., stream: _Optional[bool] = ..., protocol: _Optional[str] = ..., state: _Optional[str] = ..., status: _Optional[int] = ..., reason: _Optional[str] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., cached_input_tokens: _Optional[int] = ..., cache_write_tokens: _Optional[int] = ..., audio_input_tokens: _Optional[int] = ..., reasoning_output_tokens: _Optional[int] = ..., audio_output_tokens: _Optional[int] = ..., cost: _Optional[str] = ..., price_source: _Optional[str] = ..., reserved_input_tokens: _Optional[int] = ..., reserved_output_tokens: _Optional[int] = ..., reserved_cost: _Optional[str] = ..., duration_ms: _Optional[int] = ..., first_byte_ms: _Optional[int] = ..., tags: _Optional[_Mapping[str, str]] = ..., provider_key: _Optional[str] = ..., provider_key_id: _Optional[str] = ...) -> None: ...

class BatchAck(_message.Message):
    __slots__ = ("added",)
    ADDED_FIELD_NUMBER: _ClassVar[int]
    added: int
    def __init__(self, added: _Optional[int] = ...) -> None: ...

class PeriodTotalsRequest(_message.Message):
    __slots__ = ("contract_version", "tenant", "namespace", "since", "until")
    CONTRACT_VERSION_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    contract_version: int
    tenant: str
    namespace: str
    since: int
    until: int
    def __init__(self, contract_version: _Optional[int] = ..., tenant: _Optional[str] = ..., namespace: _Optional[str] = ..., since: _Optional[int] = ..., until: _Optional[int] = ...) -> None: ...

class PeriodTotalsPage(_message.Message):
    __slots__ = ("totals",)
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    totals: _containers.RepeatedCompositeFieldContainer[PeriodTotal]
    def __init__(self, totals: _Optional[_Iterable[_Union[PeriodTotal, _Mapping]]] = ...) -> None: ...

class PeriodTotal(_message.Message):
    __slots__ = ("namespace", "team", "project", "user", "route", "tier", "currency", "attempts", "input_tokens", "output_tokens", "cost", "gateway")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    TEAM_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    GATEWAY_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    team: str
    project: str
    user: str
    route: str
    tier: str
    currency: str
    attempts: int
    input_tokens: int
    output_tokens: int
    cost: str
    gateway: str
    def __init__(self, namespace: _Optional[str] = ..., team: _Optional[str] = ..., project: _Optional[str] = ..., user: _Optional[str] = ..., route: _Optional[str] = ..., tier: _Optional[str] = ..., currency: _Optional[str] = ..., attempts: _Optional[int] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., cost: _Optional[str] = ..., gateway: _Optional[str] = ...) -> None: ...
