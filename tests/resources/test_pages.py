"""The pages of the resources: their examples work, their tables are the models'."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from resources.resource_cases import ROOT

from bailiwick_operator.api.documents import Document, parse
from bailiwick_operator.api.kinds import KINDS
from bailiwick_operator.api.reference import page_name, rewritten
from bailiwick_operator.api.validation import check, validate
from bailiwick_operator.compile.local import compile_all

PAGES = ROOT / "docs" / "resources"


def examples(page: Path) -> list[Document]:
    """Every document of every yaml block of a page, with the page's own lines."""
    text = page.read_text(encoding="utf-8")
    found: list[Document] = []
    for block in re.finditer(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        before = "\n" * text.count("\n", 0, block.start(1))
        for document in parse(before + block[1], file=page.name):
            assert isinstance(document, Document), str(document)
            found.append(document)
    return found


def test_there_is_a_page_for_each_kind() -> None:
    """Every kind has a page, the index links each, and no page is left of a kind that is gone."""
    index = (PAGES / "README.md").read_text(encoding="utf-8")
    pages = {page.name for page in PAGES.glob("*.md")} - {"README.md"}

    assert pages == {page_name(kind) for kind in KINDS.values()}
    assert pages == set(re.findall(r"\]\((\w+\.md)\)", index))


@pytest.mark.parametrize("name", KINDS)
def test_each_example_is_valid(name: str) -> None:
    """Each page has an example of its kind, and no example has a violation."""
    documents = examples(PAGES / page_name(KINDS[name]))

    assert name in {document.data["kind"] for document in documents}
    for document in documents:
        assert check(document, KINDS[document.data["kind"]]) == []


def test_the_examples_make_one_working_tenant() -> None:
    """All examples together compile: nothing refers to nothing, and nothing is noted."""
    documents = [
        document
        for page in sorted(PAGES.glob("*.md"))
        for document in examples(page)
        if document.data["kind"] != "TenantBinding"
    ]
    loaded = validate(documents)
    compiled = compile_all(loaded.resources, now=datetime(2026, 10, 1, tzinfo=UTC), catalogue={})

    assert loaded.violations == ()
    assert [str(one) for one in compiled.violations] == []
    config = compiled.results["globex-prod"].config
    assert config is not None
    assert [route.name for route in config.routes] == ["assistant", "embeddings"]


@pytest.mark.parametrize("name", KINDS)
def test_tables_are_the_models(name: str) -> None:
    """The generated part of each page is what the models say now."""
    page = (PAGES / page_name(KINDS[name])).read_text(encoding="utf-8")

    assert page == rewritten(page, KINDS[name]), (
        "run python -m bailiwick_operator.api.reference docs/resources"
    )


def test_a_page_without_markers_is_an_error() -> None:
    """A page that lost its markers is not taken for one that is up to date."""
    with pytest.raises(ValueError, match="needs the lines"):
        rewritten("# Quota\n", KINDS["Quota"])
