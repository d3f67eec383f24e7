"""Short spellings of Envoy messages that appear everywhere."""

import datetime as dt
from typing import Any as Anything

import betterproto2
from envoy_data_plane.envoy.config.core.v3 import (
    Address,
    AggregatedConfigSource,
    ApiVersion,
    ConfigSource,
    DataSource,
    HeaderValue,
    HeaderValueOption,
    HeaderValueOptionHeaderAppendAction,
    Pipe,
    SocketAddress,
    TypedExtensionConfig,
)
from envoy_data_plane.envoy.type.matcher.v3 import StringMatcher
from envoy_data_plane.google.protobuf import Any, Struct


def packed(message: betterproto2.Message) -> Any:
    """The message with its type."""
    return Any.pack(message)


def extension(name: str, message: betterproto2.Message) -> TypedExtensionConfig:
    """The message as a named extension."""
    return TypedExtensionConfig(name=name, typed_config=packed(message))


def inline(text: str) -> DataSource:
    """Text given in the config itself."""
    return DataSource(inline_string=text)


def millis(value: int) -> dt.timedelta:
    """A duration of so many milliseconds."""
    return dt.timedelta(milliseconds=value)


def seconds(value: int) -> dt.timedelta:
    """A duration of so many seconds."""
    return dt.timedelta(seconds=value)


def socket(address: str, port: int) -> Address:
    """A TCP address."""
    return Address(socket_address=SocketAddress(address=address, port_value=port))


def pipe(path: str, mode: int = 0) -> Address:
    """A Unix socket; `mode` is its file's where Envoy makes it."""
    return Address(pipe=Pipe(path=path, mode=mode))


def exact(text: str) -> StringMatcher:
    """Matches this text alone."""
    return StringMatcher(exact=text)


def ads() -> ConfigSource:
    """The stream that everything comes by."""
    return ConfigSource(
        ads=AggregatedConfigSource(),
        resource_api_version=ApiVersion.V3,
        initial_fetch_timeout=seconds(0),
    )


def struct(fields: dict[str, Anything]) -> Struct:
    """A JSON object."""
    message: Struct = Struct.from_dict(fields)
    return message


def set_header(name: str, value: str) -> HeaderValueOption:
    """Sets a header whatever stood there."""
    return HeaderValueOption(
        header=HeaderValue(key=name, value=value),
        append_action=HeaderValueOptionHeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    )
