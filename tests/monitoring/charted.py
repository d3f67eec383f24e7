"""What the chart brings for Prometheus and Grafana, read as they read it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

FILES = Path(__file__).parents[2] / "helm" / "bailiwick" / "files"
RULES = FILES / "rules.yaml"
VARIABLES = {
    "$namespace": ".*",
    "$team": ".*",
    "$model": ".*",
    "$__rate_interval": "1m",
    "$__range": "5m",
}


def dashboard() -> dict[str, Any]:
    """The dashboard."""
    found: dict[str, Any] = json.loads((FILES / "dashboard.json").read_text())
    return found


def panels() -> Iterator[tuple[str, str]]:
    """Title and query of each panel, with everything chosen."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            query = target["expr"]
            for name, value in VARIABLES.items():
                query = query.replace(name, value)
            yield panel["title"], query


def rules() -> Iterator[tuple[str, str]]:
    """Name and expression of each rule."""
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            yield rule.get("record") or rule["alert"], rule["expr"]
