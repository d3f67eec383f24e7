"""What a later description may not change: clients that were built with an earlier one break."""

from collections.abc import Iterator

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)


def breaking(before: FileDescriptorProto, now: FileDescriptorProto) -> list[str]:
    """Changes between two descriptions that break a client of the first, one line each."""
    return [
        *_package(before, now),
        *_messages(before, now),
        *_enums(before, now),
        *_rpcs(before, now),
    ]


def _package(before: FileDescriptorProto, now: FileDescriptorProto) -> Iterator[str]:
    if before.package != now.package:
        yield f"package {before.package} is now {now.package}"


def _messages(before: FileDescriptorProto, now: FileDescriptorProto) -> Iterator[str]:
    there = {message.name: message for message in now.message_type}
    for message in before.message_type:
        if message.name not in there:
            yield f"message {message.name} is gone"
        else:
            yield from _fields(message, there[message.name])


def _fields(before: DescriptorProto, now: DescriptorProto) -> Iterator[str]:
    by_name = {field.name: field for field in now.field}
    by_number = {field.number: field for field in now.field}
    for field in before.field:
        where = f"{before.name}.{field.name}"
        same = by_name.get(field.name)
        if same is None:
            yield f"field {where} is gone"
            continue
        if same.number != field.number:
            yield f"field {where} had number {field.number}, now {same.number}"
        if _shape(before, field) != _shape(now, same):
            yield f"field {where} has another type"
        taken = by_number.get(field.number)
        if taken is not None and taken.name != field.name:
            yield f"number {field.number} of {before.name} is now {taken.name}"
    entries = {nested.name: nested for nested in now.nested_type}
    for nested in before.nested_type:
        if nested.name in entries:
            yield from _fields(nested, entries[nested.name])


def _shape(message: DescriptorProto, field: FieldDescriptorProto) -> tuple[object, ...]:
    oneof = message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else ""
    return field.type, field.type_name, field.label, field.proto3_optional, oneof


def _enums(before: FileDescriptorProto, now: FileDescriptorProto) -> Iterator[str]:
    there = {
        enum.name: {value.name: value.number for value in enum.value} for enum in now.enum_type
    }
    for enum in before.enum_type:
        if enum.name not in there:
            yield f"enum {enum.name} is gone"
            continue
        for value in enum.value:
            if there[enum.name].get(value.name) != value.number:
                yield f"value {value.name} = {value.number} is gone or has another number"


def _rpcs(before: FileDescriptorProto, now: FileDescriptorProto) -> Iterator[str]:
    there = {
        (service.name, method.name): method for service in now.service for method in service.method
    }
    for service in before.service:
        for method in service.method:
            same = there.get((service.name, method.name))
            if same is None:
                yield f"method {service.name}.{method.name} is gone"
            elif (
                same.input_type,
                same.output_type,
                same.client_streaming,
                same.server_streaming,
            ) != (
                method.input_type,
                method.output_type,
                method.client_streaming,
                method.server_streaming,
            ):
                yield f"method {service.name}.{method.name} takes or gives something else"
