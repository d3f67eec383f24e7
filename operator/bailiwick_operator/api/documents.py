"""YAML files as documents that know their lines; what YAML itself gets wrong is named.

Values are read as `kubectl` reads them (YAML 1.1, timestamps stay strings), but a key that occurs
twice is an error instead of the last one winning in silence.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bailiwick_operator.api.findings import Source, Steps, Violation

SUFFIXES = (".yaml", ".yml")
MAX_BYTES = 8 * 1024 * 1024
"""Largest file that is read; a real one has kilobytes."""
MAX_NODES = 200_000
"""Most values in one document, aliases counted each time they are used."""


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: plain data, and the nodes that it was made of."""

    file: str
    data: Any
    node: yaml.Node

    @property
    def source(self) -> Source:
        """Where the document begins."""
        return Source(self.file, self.node.start_mark.line + 1)

    def line(self, steps: Steps) -> int:
        """Line of a value; of what should contain it where it is missing."""
        return _nearest(self.node, steps)[0].start_mark.line + 1

    def written(self, steps: Steps) -> str | None:
        """A plain scalar exactly as the file has it; None for anything else."""
        node, found = _nearest(self.node, steps)
        if found and isinstance(node, yaml.ScalarNode) and node.style is None:
            return str(node.value)
        return None

    def items(self) -> Iterator["Document"]:
        """The members of a document of kind List, else the document itself."""
        if not _is_list(self.data):
            yield self
            return
        node, _ = _nearest(self.node, ("items",))
        assert isinstance(node, yaml.SequenceNode)
        for data, member in zip(self.data["items"], node.value, strict=True):
            yield from Document(self.file, data, member).items()


def files_below(paths: Sequence[Path]) -> Iterator[Path | Violation]:
    """Every YAML file that is named or lies below a named directory, sorted, once each."""
    seen: set[Path] = set()
    for path in paths:
        if path.is_dir():
            found = sorted(p for p in path.rglob("*") if _wanted(p, below=path))
        elif path.exists():
            found = [path]
        else:
            yield Violation(str(path), None, "", "", "no such file or directory", "check the path")
            continue
        for file in found:
            if (resolved := file.resolve()) not in seen:
                seen.add(resolved)
                yield file


def read(path: Path) -> Iterator[Document | Violation]:
    """Every document of a file that is not empty; a mistake in the YAML ends the file."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        yield _broken(path, None, f"it can't be read: {reason}", "check that it is a readable file")
        return
    except UnicodeDecodeError as error:
        yield _broken(
            path, raw.count(b"\n", 0, error.start) + 1, "it is not UTF-8", "save it as UTF-8"
        )
        return
    if len(raw) > MAX_BYTES:
        yield _broken(path, None, "it is larger than 8 MiB", "split it into several files")
        return
    yield from parse(text, file=str(path))


def parse(text: str, *, file: str) -> Iterator[Document | Violation]:
    """Every document of a text that is not empty; a mistake in the YAML ends it."""
    try:
        loader = _Loader(text)
        while loader.check_node():
            node = loader.get_node()
            assert node is not None
            _refuse_cycles_and_floods(node)
            data = loader.construct_document(node)
            if data is not None:
                yield Document(file, data, node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        yield _broken(Path(file), line, f"the YAML is broken: {error.problem}", _cure(error))
    except yaml.YAMLError as error:
        line_of = getattr(error, "position", None)
        line = None if line_of is None else text.count("\n", 0, line_of) + 1
        yield _broken(
            Path(file),
            line,
            f"the YAML is broken: {str(error).splitlines()[0]}",
            "remove the character",
        )
    except (RecursionError, ValueError) as error:
        problem = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        yield _broken(Path(file), None, f"the YAML is broken: {problem}", "simplify it")


class _Loader(yaml.SafeLoader):
    """YAML 1.1 without timestamps and base-60 numbers, and with keys that occur once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - the signature is PyYAML's
        first: dict[str, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in first:
                    raise yaml.constructor.ConstructorError(
                        problem=f"key {key.value!r} occurs twice, first in line {first[key.value]}",
                        problem_mark=key.start_mark,
                    )
                first[key.value] = key.start_mark.line + 1
        return super().construct_mapping(node, deep=deep)


def _number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    """A number without a fraction is whole, as in the JSON that `kubectl` makes of it."""
    value: float = loader.construct_yaml_float(node)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


_INT = re.compile(
    r"^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+)$"
)
_FLOAT = re.compile(
    r"^(?:[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
    r"|[-+]?\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
_REPLACED = {"timestamp", "int", "float"}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rsplit(":", 1)[1] not in _REPLACED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", _INT, list("-+0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
_Loader.add_constructor("tag:yaml.org,2002:float", _number)


def _refuse_cycles_and_floods(root: yaml.Node) -> None:
    """Raise where an alias contains itself, or aliases multiply a small text into a large one."""
    open_nodes: set[int] = set()
    count = 0

    def visit(node: yaml.Node) -> None:
        nonlocal count
        count += 1
        if count > MAX_NODES:
            raise yaml.constructor.ConstructorError(
                problem=f"more than {MAX_NODES} values", problem_mark=node.start_mark
            )
        if isinstance(node, yaml.ScalarNode):
            return
        if id(node) in open_nodes:
            raise yaml.constructor.ConstructorError(
                problem="an alias contains itself", problem_mark=node.start_mark
            )
        open_nodes.add(id(node))
        for child in node.value:
            for part in child if isinstance(child, tuple) else (child,):
                visit(part)
        open_nodes.discard(id(node))

    visit(root)


def _nearest(root: yaml.Node, steps: Steps) -> tuple[yaml.Node, bool]:
    """The node at the path, or the deepest one above it; and whether it is the very one."""
    node = root
    for step in steps:
        child = _child(node, step)
        if child is None:
            return node, False
        node = child
    return node, True


def _child(node: yaml.Node, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        member: yaml.Node = node.value[step]
        return member
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == step:
                child: yaml.Node = value
                return child
    return None


def _is_list(data: Any) -> bool:
    if not isinstance(data, dict) or not isinstance(data.get("items"), list):
        return False
    kind = data.get("kind")
    return isinstance(kind, str) and kind.endswith("List") and "spec" not in data


def _wanted(path: Path, *, below: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(below).parts)
    return path.suffix in SUFFIXES and not hidden and path.is_file()


def _cure(error: yaml.MarkedYAMLError) -> str:
    problem = str(error.problem)
    if "\\t" in problem or "tab" in problem:
        return "indent with spaces: YAML allows no tabs"
    if "occurs twice" in problem:
        return "keep one of them"
    return "check indentation, quotes and brackets in that line and the one before"


def _broken(path: Path, line: int | None, message: str, cure: str) -> Violation:
    return Violation(str(path), line, "", "", message, cure)
