"""The reference pages say what the code does, no more and no less."""

import re
from pathlib import Path

from agent.figures import exercised, exposed

from bailiwick_sidecar.admission.errors import CODES, PROXY_CODES

ROOT = Path(__file__).parents[2]
XDS = ROOT / "sidecar" / "bailiwick_sidecar" / "xds"


def rows(page: str, columns: int) -> dict[str, tuple[str, ...]]:
    """Rows of the page's tables that have so many columns, by their first cell."""
    found: dict[str, tuple[str, ...]] = {}
    for line in (ROOT / "docs" / page).read_text().splitlines():
        cells = tuple(cell.strip() for cell in line.strip("|").split("|"))
        if line.startswith("| `") and len(cells) == columns:
            name = cells[0].strip("`")
            assert name not in found, f"{name} is there twice"
            found[name] = cells[1:]
    return found


def test_every_error_code_is_documented_with_its_status_and_type() -> None:
    """docs/errors.md has exactly the codes that callers can meet."""
    documented = {
        name: (int(status), type_.strip("`"))
        for name, (status, type_, _) in rows("errors.md", 4).items()
    }

    assert documented == {
        **{name: (code.status, code.type) for name, code in CODES.items()},
        **PROXY_CODES,
    }


def test_every_code_of_the_proxys_own_answers_is_known() -> None:
    """What Envoy's scripts and local replies answer is in the table too."""
    said = set()
    for script in (XDS / "lua").glob("*.lua"):
        said |= set(re.findall(r'refuse\(?,? ?h, \d{3}, "(\w+)"', script.read_text()))
    replies = (XDS / "local_replies.py").read_text()
    said |= set(re.findall(r'^ {12}"([a-z]+_[a-z_]+)",$', replies, re.MULTILINE))
    said |= set(re.findall(r'with_status\([^)]*\)+, "(\w+)"', replies))

    assert len(said) > 5
    assert said - CODES.keys() - PROXY_CODES.keys() == set()


def test_every_metric_is_documented_with_its_labels() -> None:
    """docs/metrics.md has exactly the metrics that a scrape gives."""
    documented = {
        name: (kind, frozenset(re.findall(r"`(\w+)`", labels)))
        for name, (kind, labels, _) in rows("metrics.md", 4).items()
    }

    assert documented == exposed(exercised())
