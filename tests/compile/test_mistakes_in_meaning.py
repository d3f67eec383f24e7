"""Mistakes in the example that no single resource shows: what the compiler says about each."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from resources.resource_cases import Mistake

from bailiwick_operator.api.validation import load
from bailiwick_operator.compile.local import Compiled, compile_all

NOW = datetime(2026, 10, 1, tzinfo=UTC)
MISTAKES = [
    Mistake(name=raw["description"], **raw["edit"], expect=raw["expect"])
    for raw in yaml.safe_load((Path(__file__).parent / "mistakes.yaml").read_text(encoding="utf-8"))
]


def compiled(directory: Path) -> Compiled:
    loaded = load([directory])
    assert loaded.violations == ()
    return compile_all(loaded.resources, now=NOW, catalogue={})


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_named_with_its_place_and_cure(mistake: Mistake, tmp_path: Path) -> None:
    """Each mistake is reported with file, resource, path, message and cure, and nothing else is."""
    mistake.write(tmp_path)

    found = {(one.resource, one.path): one for one in compiled(tmp_path).violations}

    assert set(found) == {(one["resource"], one["path"]) for one in mistake.expect}
    for expected in mistake.expect:
        one = found[expected["resource"], expected["path"]]
        assert str(expected["message"]) in one.message
        assert str(expected.get("cure", "")) in one.cure
        assert one.cure
        assert Path(one.file).exists()
        assert one.line is not None


def test_there_is_more_than_one_kind_of_mistake() -> None:
    """No two mistakes are the same edit."""
    edits = {(one.file, one.find, one.replace) for one in MISTAKES}

    assert len(edits) == len(MISTAKES) >= 20


def test_what_follows_from_a_broken_resource_is_not_said(tmp_path: Path) -> None:
    """A provider with a slip is reported once, not again by each route and price that names it."""
    slip = Mistake("", "platform.yaml", "region: eu-central-1\n", "regoin: eu-central-1\n", ())
    slip.write(tmp_path)
    loaded = load([tmp_path])

    result = compile_all(loaded.resources, now=NOW, catalogue={}, left_out=loaded.violations)

    assert {one.resource for one in loaded.violations} == {"ClusterModelProvider openai-eu"}
    assert result.violations == ()


def test_what_follows_from_a_broken_tenant_is_not_said(tmp_path: Path) -> None:
    """With the Tenant unreadable, its namespace is not called nobody's."""
    slip = Mistake("", "platform.yaml", "currency: USD                  #", "curency: USD  #", ())
    slip.write(tmp_path)
    loaded = load([tmp_path])

    result = compile_all(loaded.resources, now=NOW, catalogue={}, left_out=loaded.violations)

    assert result.violations == ()
    assert result.results == {}
