"""`bailiwick validate`."""

import json
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
TENANT = """
apiVersion: bailiwick.dev/v1alpha1
kind: Tenant
metadata: {name: acme}
spec:
  namespaces: [{name: acme-prod}]
  currency: USD
  timeZone: Europe/Berlin
  teams: [{name: search}]
  modelAccess: [{tier: shared, teams: [sales]}]
  limits: {tokensPerMinute: many}
"""


@pytest.mark.parametrize(
    "example", sorted({path.parent.name for path in EXAMPLES.glob("*/*.yaml")})
)
def test_every_example_is_valid(bailiwick: Any, example: str) -> None:
    """What we publish has no error."""
    ran = bailiwick("validate", "-f", EXAMPLES / example)
    assert ran.code == 0, ran.out
    assert "resources are valid" in ran.out


def test_acme_is_valid_and_told_of_the_one_figure_that_is_kept_otherwise(bailiwick: Any) -> None:
    """As in a cluster: its service accounts have an issuer there; streamIdle is widened."""
    ran = bailiwick("validate", "-f", EXAMPLES / "acme")
    assert ran.code == 0
    assert ran.out.startswith("warning: a silent stream is cut after 41 s, not 30 s")
    assert "ModelRoute acme-prod/fast · spec.timeouts.streamIdle" in ran.out
    assert ran.out.splitlines()[-1] == "10 resources are valid (1 warning)"


def test_each_mistake_is_named(bailiwick: Any, tmp_path: Path) -> None:
    """File and line, resource, field, message and cure; exit code 1."""
    (tmp_path / "t.yaml").write_text(TENANT)
    ran = bailiwick("validate", "-f", "t.yaml")
    assert ran.code == 1
    assert "at: t.yaml:11  Tenant acme · spec.limits.tokensPerMinute" in ran.out
    assert "fix: " in ran.out
    assert ran.out.splitlines()[-1].startswith("1 error")


def test_json_has_every_field(bailiwick: Any, tmp_path: Path) -> None:
    """For programs: one object with lists of errors, warnings and notes."""
    (tmp_path / "t.yaml").write_text(TENANT)
    ran = bailiwick("validate", "-f", "t.yaml", "--format", "json")
    assert ran.code == 1
    said = json.loads(ran.out)
    assert said["valid"] is False
    [error] = said["errors"]
    assert (error["file"], error["line"]) == ("t.yaml", 11)
    assert (error["resource"], error["path"]) == ("Tenant acme", "spec.limits.tokensPerMinute")
    assert error["message"]
    assert error["cure"]


def test_a_warning_leaves_the_exit_code(bailiwick: Any, tmp_path: Path) -> None:
    """A figure above its ceiling is clamped: shown, and no error."""
    text = TENANT.replace("teams: [sales]", "teams: [search]").replace("many", "100")
    ceilings = "  ceilings: [{name: all, subject: {team: search}, limits: {tokensPerMinute: 50}}]\n"
    quota = """---
apiVersion: bailiwick.dev/v1alpha1
kind: Quota
metadata: {name: search, namespace: acme-prod}
spec:
  subject: {team: search}
  limits: {tokensPerMinute: 80}
"""
    (tmp_path / "t.yaml").write_text(text + ceilings + quota)
    ran = bailiwick("validate", "-f", "t.yaml")
    assert ran.code == 0, ran.out
    assert "warning: " in ran.out
    assert "Quota acme-prod/search · spec.limits.tokensPerMinute" in ran.out
    assert "2 resources are valid" in ran.out


def test_nothing_found_is_an_error(bailiwick: Any, tmp_path: Path) -> None:
    """An empty folder is most likely a wrong path."""
    (tmp_path / "empty").mkdir()
    ran = bailiwick("validate", "-f", "empty")
    assert ran.code == 1
    assert "no resource of bailiwick.dev is here" in ran.out


def test_several_paths_are_one_set(bailiwick: Any, tmp_path: Path) -> None:
    """References resolve across the paths that are named."""
    ran = bailiwick(
        "validate",
        "-f", EXAMPLES / "quickstart" / "demo.yaml",
        "-f", EXAMPLES / "quickstart" / "platform.yaml",
    )  # fmt: skip
    assert ran.code == 0
