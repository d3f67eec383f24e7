"""What the echo provider makes of a text to embed: a unit vector that depends on it alone."""

import base64
import hashlib
import json
import math
import struct
from collections.abc import Mapping
from typing import Any

from bailiwick_cli.echo.counting import embedding_tokens
from bailiwick_cli.echo.refusal import EchoError
from bailiwick_cli.echo.spoken import Spoken

DIMENSIONS = 64
MOST_DIMENSIONS = 4096


def vector(item: Any, *, dimensions: int) -> list[float]:
    """A unit vector drawn from the SHA-256 of the input."""
    seed = json.dumps(item).encode()
    drawn: list[int] = []
    block = 0
    while len(drawn) < dimensions:
        digest = hashlib.sha256(block.to_bytes(4, "big") + seed).digest()
        drawn.extend(struct.unpack(">8i", digest))
        block += 1
    scaled = [number / 2**31 for number in drawn[:dimensions]]
    length = math.sqrt(sum(number * number for number in scaled)) or 1.0
    return [number / length for number in scaled]


def embed(request: Mapping[str, Any]) -> Spoken:
    """The list of embeddings.

    Raises:
        EchoError: the request is not one.
    """
    model = request.get("model")
    if not isinstance(model, str) or not model:
        raise EchoError("'model' must be a name.", param="model")
    dimensions = request.get("dimensions", DIMENSIONS)
    if not isinstance(dimensions, int) or not 1 <= dimensions <= MOST_DIMENSIONS:
        raise EchoError(f"'dimensions' must be 1 to {MOST_DIMENSIONS}.", param="dimensions")
    encoding = request.get("encoding_format", "float")
    if encoding not in ("float", "base64"):
        raise EchoError("'encoding_format' must be float or base64.", param="encoding_format")
    items = _items(request.get("input"))
    total = sum(embedding_tokens(item) for item in items)
    data: list[dict[str, Any]] = []
    for index, item in enumerate(items):
        numbers = vector(item, dimensions=dimensions)
        value: Any = numbers
        if encoding == "base64":
            value = base64.b64encode(struct.pack(f"<{dimensions}f", *numbers)).decode()
        data.append({"object": "embedding", "index": index, "embedding": value})

    def whole(*, identity: str, created: int, usage_shown: bool) -> dict[str, Any]:
        del identity, created
        answer: dict[str, Any] = {"object": "list", "data": data, "model": model}
        if usage_shown:
            answer["usage"] = {"prompt_tokens": total, "total_tokens": total}
        return answer

    return Spoken(input_tokens=total, output_tokens=0, steps=0, whole=whole)


def _items(given: Any) -> list[Any]:
    if isinstance(given, str):
        return [given]
    if isinstance(given, list) and given:
        if all(_number(each) for each in given):
            return [given]
        if all(isinstance(each, str) or _numbers(each) for each in given):
            return given
    raise EchoError("'input' must be a text, or a list of texts or token numbers.", param="input")


def _number(each: Any) -> bool:
    return isinstance(each, int) and not isinstance(each, bool)


def _numbers(each: Any) -> bool:
    return isinstance(each, list) and bool(each) and all(_number(number) for number in each)
