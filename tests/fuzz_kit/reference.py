"""A strict reader of JSON to compare with: the standard library's and orjson, both have to agree.

orjson refuses what RFC 8259 refuses; the standard library tells of members that come twice and of
numbers beyond a double. Members are told apart by what a parser would read that ignores case.
"""

import json
from dataclasses import dataclass
from typing import Any

import orjson

MAX_DEPTH = 64
EXACT = frozenset(
    {
        "model", "stream", "n", "max_tokens", "max_completion_tokens", "stream_options", "metadata",
        "store", "background", "modalities", "service_tier", "prediction", "best_of",
        "web_search_options", "search_parameters", "plugins", "models", "fallbacks", "api_base",
        "base_url", "messages", "input", "tools", "functions", "chat_template", "prompt",
        "max_output_tokens", "previous_response_id", "conversation", "context_management",
        "prompt_cache_options", "echo", "partial_images", "svg", "frame_count",
    }
)  # fmt: skip


class Refused(ValueError):  # noqa: N818 - a verdict, not a fault
    """The text is no object that every parser reads alike."""


@dataclass(frozen=True, slots=True)
class Members:
    """Top-level members in order; names are unescaped."""

    pairs: tuple[tuple[str, Any], ...]

    def get(self, name: str) -> Any:
        return dict(self.pairs).get(name)


def read(text: bytes, *, exact: bool = False) -> Members:
    """The members of the object that the text is; `exact` refuses other spellings of known names.

    Raises:
        Refused: it is none, or one that two parsers could read differently.
    """
    try:
        orjson.loads(text)
        decoded = text.decode()
        found = json.loads(
            decoded, object_pairs_hook=_Pairs, parse_constant=_refuse, parse_float=_finite
        )
    except (ValueError, RecursionError) as error:
        raise Refused(str(error)) from error
    if not isinstance(found, _Pairs):
        raise Refused("no object")
    if _depth(decoded) > MAX_DEPTH:
        raise Refused("too deep")
    folded = [fold(name) for name, _ in found]
    if len(set(folded)) != len(folded):
        raise Refused("a second member of the same name")
    if exact and any(
        low in EXACT and low != name for low, (name, _) in zip(folded, found, strict=True)
    ):
        raise Refused("another spelling of a known name")
    return Members(tuple(found))


class _Pairs(list[tuple[str, Any]]):
    """Marks an object."""


def _refuse(word: str) -> Any:
    raise ValueError(word)


def _finite(digits: str) -> float:
    value = float(digits)
    if value in {float("inf"), float("-inf")}:
        raise ValueError("beyond a double")
    return value


def fold(name: str) -> str:
    """The name as a parser reads it that ignores case."""
    low = name.replace("\u017f", "s").replace("\u212a", "k")
    return "".join(c.lower() if c.isascii() else c for c in low)


def _depth(text: str) -> int:
    deepest = depth = 0
    inside = escaped = False
    for c in text:
        if inside:
            if escaped:
                escaped = False
            elif c == "\\":
                escaped = True
            elif c == '"':
                inside = False
        elif c == '"':
            inside = True
        elif c in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif c in "]}":
            depth -= 1
    return deepest
