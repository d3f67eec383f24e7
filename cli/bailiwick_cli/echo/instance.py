"""The smallest JSON value that satisfies a JSON Schema."""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import Draft202012Validator

from bailiwick_cli.echo.refusal import EchoError

DEEPEST = 32
FORMATS = {
    "date-time": "2000-01-01T00:00:00Z",
    "date": "2000-01-01",
    "time": "00:00:00Z",
    "duration": "P1D",
    "email": "a@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def minimal_json(schema: Mapping[str, Any], *, param: str) -> str:
    """Compact JSON that satisfies the schema.

    Raises:
        EchoError: no such value is found (a `pattern`, a contradiction, endless recursion).
    """
    value = _value(schema, root=schema, depth=0, param=param)
    try:
        Draft202012Validator.check_schema(schema)
        Draft202012Validator(schema).validate(value)
    except SchemaError as error:
        raise EchoError(f"Invalid schema: {error.message}", param=param) from error
    except ValidationError as error:
        raise EchoError(
            f"The echo provider finds no value for this schema: {error.message}", param=param
        ) from error
    return json.dumps(value, separators=(",", ":"))


def _value(schema: Any, *, root: Mapping[str, Any], depth: int, param: str) -> Any:
    if depth > DEEPEST:
        raise EchoError("The schema demands endless nesting.", param=param)
    if not isinstance(schema, dict):
        return None

    def deeper(inner: Any) -> Any:
        return _value(inner, root=root, depth=depth + 1, param=param)

    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    flat = _flattened(schema, root=root, param=param)
    if flat is not schema:
        return deeper(flat)
    kind = schema.get("type") or ("object" if "properties" in schema else "null")
    maker = _MAKERS.get(kind[0] if isinstance(kind, list) else kind)
    return None if maker is None else maker(schema, deeper)


def _flattened(schema: dict[str, Any], *, root: Mapping[str, Any], param: str) -> dict[str, Any]:
    """The schema without its outermost combinator; the very same one where it has none."""
    for name in ("$ref", "anyOf", "oneOf", "allOf"):
        inner = schema.get(name)
        if not inner:
            continue
        whole = {key: value for key, value in schema.items() if key != name}
        if name == "$ref":
            return _merged(whole, {"$ref": inner}, root=root, param=param)
        for part in inner if name == "allOf" else inner[:1]:
            whole = _merged(whole, part, root=root, param=param)
        return whole
    return schema


def _object(schema: Mapping[str, Any], deeper: Callable[[Any], Any]) -> Any:
    properties = schema.get("properties", {})
    return {name: deeper(properties.get(name)) for name in schema.get("required", ())}


def _array(schema: Mapping[str, Any], deeper: Callable[[Any], Any]) -> Any:
    known = [deeper(item) for item in schema.get("prefixItems", ())]
    missing = max(0, int(schema.get("minItems", 0)) - len(known))
    return known + [deeper(schema.get("items", {})) for _ in range(missing)]


def _string(schema: Mapping[str, Any], _: Callable[[Any], Any]) -> Any:
    text = FORMATS.get(schema.get("format", ""), "")
    return text.ljust(int(schema.get("minLength", 0)), "x")


_MAKERS: dict[str, Callable[[Mapping[str, Any], Callable[[Any], Any]], Any]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": lambda schema, _: _number(schema, whole=True),
    "number": lambda schema, _: _number(schema, whole=False),
    "boolean": lambda _schema, _: False,
}


def _number(schema: Mapping[str, Any], *, whole: bool) -> float:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    step = schema.get("multipleOf", 1 if whole else None)
    if low is None:
        value = 0 if high is None or high > 0 else high - ("exclusiveMaximum" in schema)
    else:
        value = max(0, low) if high is None or high > 0 else low
        if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
            value += 1 if whole or high is None else (high - value) / 2
    if step:
        value = math.ceil(value / step) * step
    return int(value) if whole else value


def _resolve(reference: str, *, root: Mapping[str, Any], param: str) -> Any:
    found: Any = root
    for part in reference.removeprefix("#").split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if not reference.startswith("#") or not isinstance(found, dict) or name not in found:
            raise EchoError(f"Invalid schema: {reference!r} points nowhere.", param=param)
        found = found[name]
    return found


def _merged(
    first: Mapping[str, Any], second: Any, *, root: Mapping[str, Any], param: str
) -> dict[str, Any]:
    if not isinstance(second, dict):
        return dict(first)
    if "$ref" in second:
        target = _resolve(str(second["$ref"]), root=root, param=param)
        rest = {key: value for key, value in second.items() if key != "$ref"}
        return _merged(_merged(first, target, root=root, param=param), rest, root=root, param=param)
    both = {**first, **second}
    if "properties" in first and "properties" in second:
        both["properties"] = {**first["properties"], **second["properties"]}
    if "required" in first and "required" in second:
        both["required"] = [*first["required"], *second["required"]]
    return both
