from bailiwick_contract.v1 import tenant_config_pb2 as _tenant_config_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ConfigUpdate(_message.Message):
    __slots__ = ("contract_version", "sequence", "digest", "config")
    CONTRACT_VERSION_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    contract_version: int
    sequence: int
    digest: str
    config: bytes
    def __init__(self, contract_version: _Optional[int] = ..., sequence: _Optional[int] = ..., digest: _Optional[str] = ..., config: _Optional[bytes] = ...) -> None: ...

class Ack(_message.Message):
    __slots__ = ("sequence", "digest", "types", "error", "pod", "degraded", "keys", "limits", "remainder")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    POD_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    REMAINDER_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    digest: str
    types: _containers.RepeatedCompositeFieldContainer[TypeState]
    error: str
    pod: PodIdentity
    degraded: _containers.RepeatedCompositeFieldContainer[Dependency]
    keys: _containers.RepeatedCompositeFieldContainer[KeyState]
    limits: _containers.RepeatedCompositeFieldContainer[LimitUse]
    remainder: Remainder
    def __init__(self, sequence: _Optional[int] = ..., digest: _Optional[str] = ..., types: _Optional[_Iterable[_Union[TypeState, _Mapping]]] = ..., error: _Optional[str] = ..., pod: _Optional[_Union[PodIdentity, _Mapping]] = ..., degraded: _Optional[_Iterable[_Union[Dependency, _Mapping]]] = ..., keys: _Optional[_Iterable[_Union[KeyState, _Mapping]]] = ..., limits: _Optional[_Iterable[_Union[LimitUse, _Mapping]]] = ..., remainder: _Optional[_Union[Remainder, _Mapping]] = ...) -> None: ...

class Remainder(_message.Message):
    __slots__ = ("in_flight", "shipped", "rows", "place")
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    SHIPPED_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    in_flight: int
    shipped: bool
    rows: int
    place: str
    def __init__(self, in_flight: _Optional[int] = ..., shipped: _Optional[bool] = ..., rows: _Optional[int] = ..., place: _Optional[str] = ...) -> None: ...

class Dependency(_message.Message):
    __slots__ = ("dependency", "reason", "since", "message")
    DEPENDENCY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    dependency: str
    reason: str
    since: str
    message: str
    def __init__(self, dependency: _Optional[str] = ..., reason: _Optional[str] = ..., since: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class LimitUse(_message.Message):
    __slots__ = ("limit_id", "amount", "used", "left", "percent", "resets_at", "exhausted_at")
    LIMIT_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    PERCENT_FIELD_NUMBER: _ClassVar[int]
    RESETS_AT_FIELD_NUMBER: _ClassVar[int]
    EXHAUSTED_AT_FIELD_NUMBER: _ClassVar[int]
    limit_id: str
    amount: str
    used: str
    left: str
    percent: int
    resets_at: str
    exhausted_at: str
    def __init__(self, limit_id: _Optional[str] = ..., amount: _Optional[str] = ..., used: _Optional[str] = ..., left: _Optional[str] = ..., percent: _Optional[int] = ..., resets_at: _Optional[str] = ..., exhausted_at: _Optional[str] = ...) -> None: ...

class KeyState(_message.Message):
    __slots__ = ("credential", "state", "reason", "since", "message")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[KeyState.State]
        STATE_MISSING: _ClassVar[KeyState.State]
        STATE_REVOKED: _ClassVar[KeyState.State]
        STATE_UNAVAILABLE: _ClassVar[KeyState.State]
        STATE_KEPT: _ClassVar[KeyState.State]
        STATE_AGING: _ClassVar[KeyState.State]
        STATE_TOO_OLD: _ClassVar[KeyState.State]
    STATE_UNSPECIFIED: KeyState.State
    STATE_MISSING: KeyState.State
    STATE_REVOKED: KeyState.State
    STATE_UNAVAILABLE: KeyState.State
    STATE_KEPT: KeyState.State
    STATE_AGING: KeyState.State
    STATE_TOO_OLD: KeyState.State
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    credential: _tenant_config_pb2.Credential
    state: KeyState.State
    reason: str
    since: str
    message: str
    def __init__(self, credential: _Optional[_Union[_tenant_config_pb2.Credential, _Mapping]] = ..., state: _Optional[_Union[KeyState.State, str]] = ..., reason: _Optional[str] = ..., since: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class TypeState(_message.Message):
    __slots__ = ("type_url", "state", "error")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[TypeState.State]
        STATE_PENDING: _ClassVar[TypeState.State]
        STATE_WARMING: _ClassVar[TypeState.State]
        STATE_ACKED: _ClassVar[TypeState.State]
        STATE_NACKED: _ClassVar[TypeState.State]
    STATE_UNSPECIFIED: TypeState.State
    STATE_PENDING: TypeState.State
    STATE_WARMING: TypeState.State
    STATE_ACKED: TypeState.State
    STATE_NACKED: TypeState.State
    TYPE_URL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    type_url: str
    state: TypeState.State
    error: str
    def __init__(self, type_url: _Optional[str] = ..., state: _Optional[_Union[TypeState.State, str]] = ..., error: _Optional[str] = ...) -> None: ...

class PodIdentity(_message.Message):
    __slots__ = ("name", "uid")
    NAME_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    name: str
    uid: str
    def __init__(self, name: _Optional[str] = ..., uid: _Optional[str] = ...) -> None: ...
