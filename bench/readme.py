"""Puts what a benchmark found between its marks in the README."""

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def into_readme(mark: str, text: str) -> None:
    """Replaces what stands between `<!-- MARK: begin -->` and `<!-- MARK: end -->`.

    Raises:
        SystemExit: the README has no such marks, so that figures would be lost in silence.
    """
    begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
    page = README.read_text()
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(page):
        raise SystemExit(f"README.md has no place for these figures: write {begin} and {end} there")
    README.write_text(pattern.sub(lambda _: f"{begin}\n{text}\n{end}", page))
