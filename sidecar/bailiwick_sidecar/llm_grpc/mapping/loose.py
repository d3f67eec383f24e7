"""`extra`: google.protobuf.Struct and the JSON objects that it stands for.

A Struct's numbers are doubles. Whole ones are written without a point, and one that a double may
have rounded is refused on the way in, and text on the way out: no figure changes silently.
"""

import math
from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Final

from google.protobuf.struct_pb2 import ListValue, Struct, Value

from bailiwick_contract.errors import BailiwickError

EXACT: Final = 2**53
"""Up to here a double holds every whole number."""
MAX_DEPTH: Final = 64


class UnmappableError(BailiwickError):
    """A field that has no JSON: `field` is its path, the message what is wrong with it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def json_object(struct: Struct, path: str, depth: int = 0) -> dict[str, Any]:
    """The JSON object that the Struct at `path` stands for.

    Its members are sorted: a Struct has no order, and equal requests have to be equal bytes, or a
    provider's cache of prompts would miss them.

    Raises:
        UnmappableError: it holds a number that JSON or a double can't say, or is nested too deep.
    """
    if depth > MAX_DEPTH:
        raise UnmappableError(path, f"is nested more than {MAX_DEPTH} levels deep")
    return {
        name: _json_value(value, f"{path}.{name}", depth)
        for name, value in sorted(struct.fields.items(), key=itemgetter(0))
    }


def _json_value(value: Value, path: str, depth: int) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "number_value":
        return _json_number(value.number_value, path)
    if kind == "bool_value":
        return value.bool_value
    if kind == "struct_value":
        return json_object(value.struct_value, path, depth + 1)
    if kind == "list_value":
        return _json_list(value.list_value, path, depth + 1)
    return None


def _json_list(values: ListValue, path: str, depth: int) -> list[Any]:
    if depth > MAX_DEPTH:
        raise UnmappableError(path, f"is nested more than {MAX_DEPTH} levels deep")
    return [_json_value(each, f"{path}[{i}]", depth) for i, each in enumerate(values.values)]


def _json_number(number: float, path: str) -> int | float:
    if not math.isfinite(number):
        raise UnmappableError(path, "must be a finite number")
    if not number.is_integer():
        return number
    if abs(number) > EXACT:
        raise UnmappableError(
            path, "is a whole number beyond 2^53, which a google.protobuf.Struct rounds"
        )
    return int(number)


def loose(value: Any, depth: int = 0) -> Any:
    """The JSON value as a Struct takes it; what it can't keep exactly is text."""
    if isinstance(value, str | bool | float) or value is None:
        return value
    if isinstance(value, int):
        return value if -EXACT <= value <= EXACT else str(value)
    if depth > MAX_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        return {name: loose(each, depth + 1) for name, each in value.items()}
    return [loose(each, depth + 1) for each in value]
