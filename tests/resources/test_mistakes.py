"""Mistakes made in the example, as a person makes them, and what is said about each."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from resources.resource_cases import ACME, Mistake, mistakes

from bailiwick_operator.api.findings import Violation
from bailiwick_operator.api.validation import load
from bailiwick_operator.compile.local import compile_all

MISTAKES = mistakes()
NOW = datetime(2026, 9, 1, tzinfo=UTC)


def whole_pipeline(directory: Path) -> tuple[Violation, ...]:
    """What loading says; where it says nothing, what compiling says."""
    loaded = load([directory])
    return loaded.violations or compile_all(loaded.resources, now=NOW, catalogue={}).violations


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_named_with_its_place_and_cure(mistake: Mistake, tmp_path: Path) -> None:
    """Each mistake is reported once: file, resource, path, message, cure, and nothing else is."""
    mistake.write(tmp_path)

    found = whole_pipeline(tmp_path)

    assert len(found) == len(mistake.expect), "\n".join(map(str, found))
    for expected in mistake.expect:
        (one,) = [v for v in found if v.path == expected["path"]]
        assert one.resource == expected["resource"]
        assert Path(one.file).name == mistake.file
        assert str(expected["message"]) in one.message
        assert str(expected.get("cure", "")) in one.cure
        assert one.cure
        assert one.line is not None
        assert one.line == expected.get("line", one.line)


def test_there_are_enough_different_mistakes() -> None:
    """At least 25 mistakes, no two of which are the same edit."""
    edits = {(one.file, one.find, one.replace) for one in MISTAKES}

    assert len(edits) == len(MISTAKES) >= 25


def test_the_example_is_accepted_unchanged() -> None:
    """The example has no violation and all ten resources are there."""
    loaded = load([ACME])
    resources = loaded.resources

    assert loaded.violations == whole_pipeline(ACME) == ()
    assert loaded.notes == ()
    assert [one.metadata.name for one in resources.tenants] == ["acme"]
    assert [one.metadata.name for one in resources.model_routes] == ["fast", "smart"]
    assert len(resources.cluster_model_providers) == 2
    assert len(resources.quotas) == 4
    assert len(resources.price_books) == 1
    assert len(resources.sources) == 10


def test_a_resource_with_a_mistake_is_left_out_and_the_others_stay(tmp_path: Path) -> None:
    """Only the resource with the violation is missing from the result."""
    mistake = next(one for one in MISTAKES if one.name.endswith("a field that is misspelt"))
    mistake.write(tmp_path)

    resources = load([tmp_path]).resources

    assert [one.metadata.name for one in resources.model_routes] == ["smart"]
    assert len(resources.quotas) == 4
    assert resources.unsound == {("ModelRoute", "acme-prod", "fast")}
    assert resources.complete
