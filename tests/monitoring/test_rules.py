"""promtool on the chart's rules."""

import subprocess
from pathlib import Path

import pytest
from charted import RULES
from prometheus_binaries import find_or_build

ALERTS = Path(__file__).with_name("alerts.yaml")


@pytest.fixture(scope="module")
def promtool() -> Path:
    return find_or_build("promtool")


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_rules_are_valid(promtool: Path) -> None:
    """They hold nothing that promtool finds fault with."""
    checked = run(promtool, "check", "rules", "--lint=all", "--lint-fatal", RULES)

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_each_alert_fires_when_it_should(promtool: Path) -> None:
    """At its threshold, with words that say what to do; and not on what looks alike."""
    tested = run(promtool, "test", "rules", ALERTS)

    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (">= 0.8", ">= 0.81"),
        ("+ 3 * stddev", "- 3 * stddev"),
        ("bailiwick:refusals:rate5m > 0.1", "bailiwick:refusals:rate5m > 0"),
        ('error_type="429"', 'error_type=~".+"'),
        ("bailiwick:cost:increase1h > 1", "bailiwick:cost:increase1h > 0"),
    ],
)
def test_another_rule_would_be_found(
    promtool: Path, tmp_path: Path, was: str, becomes: str
) -> None:
    """The cases tell a threshold from its neighbour."""
    text = RULES.read_text()
    assert was in text
    changed = tmp_path / "rules.yaml"
    changed.write_text(text.replace(was, becomes))
    cases = tmp_path / "alerts.yaml"
    cases.write_text(
        ALERTS.read_text().replace("../../helm/bailiwick/files/rules.yaml", "rules.yaml")
    )

    assert run(promtool, "test", "rules", cases).returncode != 0
