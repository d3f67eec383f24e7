"""Evaluates the schema's CEL rules offline: the very strings that the API server evaluates."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from bailiwick_contract.errors import BailiwickError
from bailiwick_operator.api.findings import Steps
from bailiwick_operator.api.schema import Schema

if TYPE_CHECKING:
    from cel import Program

RESERVED = frozenset(
    {"true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function"}
    | {"if", "import", "let", "loop", "package", "namespace", "return", "var", "void", "while"}
)
"""Words of the language; Kubernetes lets a rule say `__word__` for a field of that name."""


class RuleError(BailiwickError):
    """A rule that does not compile or does not come out as true or false."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that the value at `steps` does not satisfy."""

    steps: Steps
    rule: str
    message: str


def broken_rules(
    schema: Schema,
    value: Any,
    *,
    old: Any = None,
    judged: Callable[[Steps], bool] = lambda _: True,
) -> Iterator[Broken]:
    """Every rule of the schema that the value breaks.

    A rule about a change (`oldSelf`) is judged only where `old`, the value before it, is given.
    `judged` says whether a value is sound enough for its rules to be evaluated.

    Raises:
        RuleError: a rule fails instead of answering.
    """
    yield from _walk(schema, value, old, (), judged)


def evaluate(rule: str, value: Any, old: Any = None) -> bool:
    """Whether a value satisfies one rule.

    Raises:
        RuleError: the rule does not compile, fails, or answers neither true nor false.
    """
    variables = {"self": _escaped(value)}
    if old is not None:
        variables["oldSelf"] = _escaped(old)
    try:
        answer = _program(rule).execute(variables)
    except (ValueError, TypeError, KeyError, RuntimeError, IndexError) as error:
        raise RuleError(f"the rule {rule!r} fails: {error!r}: guard it with has()") from error
    if not isinstance(answer, bool):
        raise RuleError(f"the rule {rule!r} answers {answer!r}: it must be true or false")
    return answer


@cache
def _program(rule: str) -> "Program":
    import cel  # noqa: PLC0415 - 0.1 s that only validation should pay

    return cel.compile(rule)


def _walk(
    schema: Schema,
    value: Any,
    old: Any,
    steps: Steps,
    judged: Callable[[Steps], bool],
) -> Iterator[Broken]:
    rules = schema.get("x-kubernetes-validations", ())
    if rules and judged(steps):
        for rule in rules:
            if "oldSelf" in rule["rule"] and old is None:
                continue
            if not evaluate(rule["rule"], value, old):
                yield Broken(steps, rule["rule"], rule["message"])
    if isinstance(value, dict):
        before = old if isinstance(old, dict) else {}
        for name, below in schema.get("properties", {}).items():
            if name in value:
                yield from _walk(below, value[name], before.get(name), (*steps, name), judged)
    elif isinstance(value, list) and "items" in schema:
        for position, member in enumerate(value):
            yield from _walk(schema["items"], member, None, (*steps, position), judged)


def _escaped(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            f"__{key}__" if key in RESERVED else key: _escaped(member)
            for key, member in value.items()
        }
    if isinstance(value, list):
        return [_escaped(member) for member in value]
    return value
