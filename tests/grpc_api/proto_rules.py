"""Rules that a public .proto keeps: buf's STANDARD set, and comments on everything.

Of the set those that one file can break. Each finding is one line that names the element.
"""

import re
from collections.abc import Iterator

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

LOWER = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
PASCAL = re.compile(r"[A-Z][A-Za-z0-9]*")
UPPER = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
IGNORE = "buf:lint:ignore "


def findings(file: FileDescriptorProto) -> list[str]:
    """What breaks a rule, but for what the file says to ignore."""
    ignored = {
        (location.path[1], rule)
        for location in file.source_code_info.location
        if list(location.path[:1]) == [6]
        for line in location.leading_comments.splitlines()
        if line.strip().startswith(IGNORE)
        for rule in [line.strip().removeprefix(IGNORE)]
    }
    return [
        *_file(file),
        *(found for message in file.message_type for found in _message(message)),
        *(found for enum in file.enum_type for found in _enum(enum)),
        *_services(file, ignored),
        *_comments(file),
    ]


def _file(file: FileDescriptorProto) -> Iterator[str]:
    if file.syntax != "proto3":
        yield f"SYNTAX_SPECIFIED {file.name}"
    if not re.search(r"\.v\d+((alpha|beta)\d*)?$", file.package):
        yield f"PACKAGE_VERSION_SUFFIX {file.package}"
    if file.name.rpartition("/")[0] != file.package.replace(".", "/"):
        yield f"PACKAGE_DIRECTORY_MATCH {file.name}"
    if not LOWER.fullmatch(file.name.rpartition("/")[2].removesuffix(".proto")):
        yield f"FILE_LOWER_SNAKE_CASE {file.name}"
    if any(not LOWER.fullmatch(part) for part in file.package.split(".")):
        yield f"PACKAGE_LOWER_SNAKE_CASE {file.package}"
    if file.public_dependency or file.weak_dependency:
        yield f"IMPORT_NO_PUBLIC {file.name}"


def _message(message: DescriptorProto) -> Iterator[str]:
    if not PASCAL.fullmatch(message.name) and not message.options.map_entry:
        yield f"MESSAGE_PASCAL_CASE {message.name}"
    for field in message.field:
        if not LOWER.fullmatch(field.name):
            yield f"FIELD_LOWER_SNAKE_CASE {message.name}.{field.name}"
        if field.label == FieldDescriptorProto.LABEL_REQUIRED:
            yield f"FIELD_NOT_REQUIRED {message.name}.{field.name}"
    for oneof in message.oneof_decl:
        if not LOWER.fullmatch(oneof.name.removeprefix("_")):
            yield f"ONEOF_LOWER_SNAKE_CASE {message.name}.{oneof.name}"
    for nested in message.nested_type:
        yield from _message(nested)
    for enum in message.enum_type:
        yield from _enum(enum)


def _enum(enum: EnumDescriptorProto) -> Iterator[str]:
    prefix = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", enum.name).upper()
    if not PASCAL.fullmatch(enum.name):
        yield f"ENUM_PASCAL_CASE {enum.name}"
    if enum.options.allow_alias:
        yield f"ENUM_NO_ALLOW_ALIAS {enum.name}"
    if enum.value[0].number != 0 or enum.value[0].name != f"{prefix}_UNSPECIFIED":
        yield f"ENUM_ZERO_VALUE_SUFFIX {enum.name}"
    for value in enum.value:
        if not UPPER.fullmatch(value.name):
            yield f"ENUM_VALUE_UPPER_SNAKE_CASE {value.name}"
        if not value.name.startswith(f"{prefix}_"):
            yield f"ENUM_VALUE_PREFIX {value.name}"


def _services(file: FileDescriptorProto, ignored: set[tuple[int, str]]) -> Iterator[str]:
    seen: set[str] = set()
    for index, service in enumerate(file.service):
        if not PASCAL.fullmatch(service.name):
            yield f"SERVICE_PASCAL_CASE {service.name}"
        if not service.name.endswith("Service") and (index, "SERVICE_SUFFIX") not in ignored:
            yield f"SERVICE_SUFFIX {service.name}"
        for method in service.method:
            ask, answer = (
                name.rpartition(".")[2] for name in (method.input_type, method.output_type)
            )
            if not PASCAL.fullmatch(method.name):
                yield f"RPC_PASCAL_CASE {method.name}"
            if ask not in (f"{method.name}Request", f"{service.name}{method.name}Request"):
                yield f"RPC_REQUEST_STANDARD_NAME {method.name}"
            if answer not in (f"{method.name}Response", f"{service.name}{method.name}Response"):
                yield f"RPC_RESPONSE_STANDARD_NAME {method.name}"
            if {ask, answer} & seen:
                yield f"RPC_REQUEST_RESPONSE_UNIQUE {method.name}"
            seen |= {ask, answer}


def _comments(file: FileDescriptorProto) -> Iterator[str]:
    commented = {
        tuple(location.path)
        for location in file.source_code_info.location
        if location.leading_comments.strip()
    }
    for kind, path, name in _elements(file):
        if path not in commented:
            yield f"COMMENT_{kind} {name}"


def _elements(file: FileDescriptorProto) -> Iterator[tuple[str, tuple[int, ...], str]]:
    for i, message in enumerate(file.message_type):
        yield "MESSAGE", (4, i), message.name
        for j, field in enumerate(message.field):
            yield "FIELD", (4, i, 2, j), f"{message.name}.{field.name}"
        for j, oneof in enumerate(message.oneof_decl):
            if not oneof.name.startswith("_"):
                yield "ONEOF", (4, i, 8, j), f"{message.name}.{oneof.name}"
    for i, enum in enumerate(file.enum_type):
        yield "ENUM", (5, i), enum.name
        for j, value in enumerate(enum.value):
            yield "ENUM_VALUE", (5, i, 2, j), value.name
    for i, service in enumerate(file.service):
        yield "SERVICE", (6, i), service.name
        for j, method in enumerate(service.method):
            yield "RPC", (6, i, 2, j), method.name
