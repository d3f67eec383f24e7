"""A caller's own tags for his ledger rows: from `metadata` and from one header."""

from collections.abc import Sequence
from typing import Final

from bailiwick_sidecar.admission.errors import RefusedError, refused, shown

MAX_VALUE: Final = 512
"""Characters, as in OpenAI's own metadata."""
MAX_HEADER: Final = 4096

Tags = tuple[tuple[str, str], ...]


def caller_tags(metadata: object, header: object, *, allowed: Sequence[str]) -> Tags:
    """The tags of a call, sorted by name.

    `metadata` is the body's member (an object of strings), `header` the value of
    `x-bailiwick-tags`, `name=value` pairs with commas between them. Both may name different tags.

    Raises:
        RefusedError: 400 for a tag that the tenant does not declare, one that comes twice with
            different values, or a value that is no short printable string.
    """
    if metadata is None and header is None:
        return ()
    tags: dict[str, str] = {}
    pairs = [("metadata", *pair) for pair in _metadata(metadata)]
    pairs += [("x-bailiwick-tags", *pair) for pair in _header(header)]
    for param, name, value in pairs:
        if name not in allowed:
            raise refused(
                "unknown_tag",
                param=param,
                tag=shown(name),
                allowed=", ".join(allowed) or "none",
            )
        if not isinstance(value, str):
            raise _unusable(param, name, "its value must be a string")
        if len(value) > MAX_VALUE or not value.isprintable():
            raise _unusable(param, name, f"its value must be at most {MAX_VALUE} printable letters")
        if tags.setdefault(name, value) != value:
            raise _unusable(param, name, "it comes twice with different values")
    return tuple(sorted(tags.items()))


def _metadata(metadata: object) -> list[tuple[str, object]]:
    if metadata is None:
        return []
    if not isinstance(metadata, dict):
        raise refused("invalid_type", param="metadata", expected="an object of strings")
    return list(metadata.items())


def _header(header: object) -> list[tuple[str, object]]:
    if header is None:
        return []
    if not isinstance(header, str) or len(header) > MAX_HEADER:
        raise refused(
            "invalid_value", param="x-bailiwick-tags", expected=f"at most {MAX_HEADER} characters"
        )
    pairs: list[tuple[str, object]] = []
    for item in header.split(","):
        name, equals, value = item.partition("=")
        if not item.strip():
            continue
        if not equals:
            raise refused(
                "invalid_value",
                param="x-bailiwick-tags",
                expected='pairs of the form "name=value" with commas between them',
            )
        pairs.append((name.strip(), value.strip()))
    return pairs


def _unusable(param: str, name: str, reason: str) -> RefusedError:
    return refused("invalid_tag", param=param, tag=shown(name), reason=reason)
