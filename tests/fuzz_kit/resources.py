"""What resources must never do: break loader or compiler. They are a config or a finding."""

import copy
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import yaml
from fuzz_kit import mutants

from bailiwick_operator.api import documents
from bailiwick_operator.api.documents import Document
from bailiwick_operator.api.findings import Violation
from bailiwick_operator.api.validation import validate
from bailiwick_operator.compile.local import compile_all

EXAMPLES: Final = tuple(sorted((Path(__file__).parents[2] / "examples").glob("*/*.yaml")))
NOW: Final = datetime(2026, 10, 1, tzinfo=UTC)
ODD: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 10**400, 1.5, 1e300, float("inf"),
    float("nan"), "", " ", "a", "A", "x" * 5000, "\x00", "\ud7ff", "0", "1e9", "-5", "1" * 400,
    "10k", "1Ei", "99999999999999999999h", "PT1S", "2026-13-45", "https://169.254.169.254/",
    "https://[::1", "*", "../..", "{tenant}", "{", "${X}", "metadata", [], {}, [[]],
    [None], {"": {}}, {"a": None}, [1, "a", {}], "null", "~", "yes", "0x10", "0o17", "1_000",
    "12:30:45", "=", "<<",
)  # fmt: skip


def loaded(files: tuple[Path, ...] = EXAMPLES) -> list[list[Any]]:
    """Documents of each example folder."""
    folders: dict[Path, list[Any]] = {}
    for file in files:
        folders.setdefault(file.parent, []).extend(
            one for one in yaml.safe_load_all(file.read_text(encoding="utf-8")) if one
        )
    return list(folders.values())


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container with a key or index in it."""
    if isinstance(value, dict):
        for key in list(value):
            yield value, key
            yield from places(value[key])
    elif isinstance(value, list):
        for index in range(len(value)):
            yield value, index
            yield from places(value[index])


def changed(rng: random.Random, found: list[Any]) -> list[Any]:
    """The documents with a few values replaced, moved, doubled, dropped or renamed."""
    mixed: list[Any] = copy.deepcopy(found)
    for _ in range(rng.randint(1, 4)):
        spots = list(places(mixed))
        if not spots:
            break
        inside, key = rng.choice(spots)
        other, another = rng.choice(spots)
        match rng.randrange(6):
            case 0 | 1:
                inside[key] = copy.deepcopy(rng.choice(ODD))
            case 2:
                inside[key] = copy.deepcopy(other[another])
            case 3:
                del inside[key]
            case 4 if isinstance(inside, dict):
                inside[rng.choice([str(key).upper(), "x", "", "spec", "name"])] = inside.pop(key)
            case _ if isinstance(inside, list):
                inside.append(copy.deepcopy(inside[key]))
    return mixed


def text(rng: random.Random, found: list[Any]) -> str:
    """Documents as YAML, sometimes with the text itself damaged."""
    if rng.random() < 0.7:
        return str(yaml.safe_dump_all(changed(rng, found), allow_unicode=True))
    whole = yaml.safe_dump_all(found, allow_unicode=True).encode()
    return mutants.damaged(rng, whole, rng.randint(1, 4)).decode(errors="replace")


def check(written: str) -> bool:
    """True where a namespace has a config.

    Raises:
        AssertionError: neither a config nor a finding came of it.
    """
    known: list[Document] = []
    wrong: list[Violation] = []
    for one in documents.parse(written, file="fuzz.yaml"):
        if isinstance(one, Violation):
            wrong.append(one)
        else:
            known.extend(one.items())
    outcome = validate(known, violations=wrong)
    compiled = compile_all(outcome.resources, now=NOW, catalogue={}, left_out=outcome.violations)
    served = any(result.config is not None for result in compiled.results.values())
    said = outcome.violations or outcome.notes or compiled.violations
    assert served or said or not known, "neither a config nor a word about why there is none"
    for finding in (*outcome.violations, *compiled.violations):
        assert finding.message, finding
        assert finding.cure, finding
    return served


def run(seed: str, count: int) -> int:
    """How many of so many texts gave a config.

    Raises:
        AssertionError: what went wrong, with the text that repeats it.
    """
    rng = random.Random(f"resources {seed}")
    known = loaded()
    served = 0
    for _ in range(count):
        written = text(rng, rng.choice(known))
        try:
            served += check(written)
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}\n{written!r}") from error
    return served
