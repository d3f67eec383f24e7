"""Structural schemas (OpenAPI v3 as Kubernetes takes it), made from the typed models.

Kubernetes' rules for them: no `$ref`, no `additionalProperties` beside `properties`, every node
typed. Ours beside: a description on every field, and a bound on every string and list, without
which the API server can't tell what a CEL rule costs.
"""

import inspect
from functools import cache
from typing import Any

import msgspec

from bailiwick_contract.errors import BailiwickError
from bailiwick_operator.api.kinds import KINDS
from bailiwick_operator.api.v1alpha1 import Resource
from bailiwick_operator.api.v1alpha1.base import Model, Rule

Schema = dict[str, Any]


class SchemaError(BailiwickError):
    """A model that has no structural schema: a mistake of the programmer."""


def resource_schema(model: type[Resource]) -> Schema:
    """The schema of a whole resource; `metadata` is left to the API server.

    Raises:
        SchemaError: a field lacks a description, or a string or list its bound.
    """
    fields = {field.encode_name: field for field in _struct(model).fields}
    schema: Schema = {
        "type": "object",
        "description": _doc(model),
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": "Version of this resource's schema."},
            "kind": {"type": "string", "description": "Kind of this resource."},
            "metadata": {"type": "object"},
            "spec": _of(fields["spec"].type, where=f"{model.__name__}.spec"),
            "status": _of(fields["status"].type, where=f"{model.__name__}.status"),
        },
    }
    return _with_rules(schema, rules=model.RULES)


@cache
def rules_by_message() -> dict[str, Rule]:
    """Every CEL rule of every kind by its message, for the cure that a schema has no room for."""
    found: dict[str, Rule] = {}
    for kind in KINDS.values():
        _collect(msgspec.inspect.type_info(kind.model), found)
    return found


def _collect(info: msgspec.inspect.Type, found: dict[str, Rule]) -> None:
    match info:
        case msgspec.inspect.Metadata():
            found.update({rule.message: rule for rule in (info.extra or {}).get("cel", ())})
            _collect(info.type, found)
        case msgspec.inspect.UnionType():
            for member in info.types:
                _collect(member, found)
        case msgspec.inspect.VarTupleType():
            _collect(info.item_type, found)
        case msgspec.inspect.StructType():
            if issubclass(info.cls, Model):
                found.update({rule.message: rule for rule in info.cls.RULES})
            for field in info.fields:
                _collect(field.type, found)
        case _:
            pass


def _struct(model: type[Any]) -> msgspec.inspect.StructType:
    info = msgspec.inspect.type_info(model)
    assert isinstance(info, msgspec.inspect.StructType)
    return info


def _doc(model: type[Any]) -> str:
    return (
        inspect.cleandoc(model.__doc__ or "")
        .replace("\n\n", "\0")
        .replace("\n", " ")
        .replace("\0", "\n\n")
    )


def _of(info: msgspec.inspect.Type, *, where: str) -> Schema:
    match info:
        case msgspec.inspect.Metadata():
            schema = {**_of(info.type, where=where), **(info.extra_json_schema or {})}
            return _with_rules(schema, rules=(info.extra or {}).get("cel", ()))
        case msgspec.inspect.UnionType():
            (member,) = (t for t in info.types if not isinstance(t, msgspec.inspect.NoneType))
            return _of(member, where=where)
        case msgspec.inspect.StructType():
            return _object(info, where=where)
        case msgspec.inspect.VarTupleType():
            return _array(info, where=where)
        case _:
            return _scalar(info, where=where)


def _scalar(info: msgspec.inspect.Type, *, where: str) -> Schema:
    match info:
        case msgspec.inspect.EnumType():
            return {"type": "string", "enum": [member.value for member in info.cls]}
        case msgspec.inspect.StrType():
            bounds = {
                "minLength": info.min_length,
                "maxLength": info.max_length,
                "pattern": info.pattern,
            }
            return {"type": "string", **_given(bounds)}
        case msgspec.inspect.IntType():
            bounds = {"minimum": info.ge, "maximum": info.le}
            return {"type": "integer", "format": "int64", **_given(bounds)}
        case msgspec.inspect.BoolType():
            return {"type": "boolean"}
        case _:
            raise SchemaError(f"{where}: {type(info).__name__} has no structural schema")


def _object(info: msgspec.inspect.StructType, *, where: str) -> Schema:
    properties: dict[str, Schema] = {}
    for field in info.fields:
        path = f"{where}.{field.encode_name}"
        schema = _of(field.type, where=path)
        _require(schema, "description", where=path)
        if schema["type"] == "string" and "enum" not in schema and "format" not in schema:
            _require(schema, "maxLength", where=path)
        properties[field.encode_name] = schema
    required = [field.encode_name for field in info.fields if field.required]
    schema = {"type": "object", "description": _doc(info.cls), "properties": properties}
    if required:
        schema["required"] = required
    return _with_rules(schema, rules=info.cls.RULES if issubclass(info.cls, Model) else ())


def _array(info: msgspec.inspect.VarTupleType, *, where: str) -> Schema:
    if info.max_length is None:
        raise SchemaError(f"{where}: a list needs max_length, or CEL rules have no bounded cost")
    return {
        "type": "array",
        "items": _of(info.item_type, where=f"{where}[]"),
        **_given({"minItems": info.min_length, "maxItems": info.max_length}),
    }


def _with_rules(schema: Schema, *, rules: tuple[Rule, ...]) -> Schema:
    if not rules:
        return schema
    documents = [
        {"rule": rule.cel, "message": rule.message}
        # The API server takes no path into metadata, of which a schema may say nothing.
        | ({"fieldPath": rule.field} if rule.field and "metadata" not in rule.field else {})
        for rule in rules
    ]
    return {
        **schema,
        "x-kubernetes-validations": [*schema.get("x-kubernetes-validations", ()), *documents],
    }


def _require(schema: Schema, key: str, *, where: str) -> None:
    if key not in schema:
        raise SchemaError(f"{where} has no {key}: add it to the model's Meta")


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
