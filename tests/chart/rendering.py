"""The chart as a real Helm renders it."""

import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from tools.building import find_or_build

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "bailiwick"
NAMESPACE = "bailiwick-system"
PROMETHEUS_OPERATOR = tuple(
    f"--api-versions=monitoring.coreos.com/v1/{kind}" for kind in ("PodMonitor", "PrometheusRule")
)


@cache
def helm() -> Path:
    """HELM, or helm on PATH, or one that is built once."""
    if named := os.environ.get("HELM"):
        return Path(named)
    return find_or_build("helm", "helm", "helm.sh/helm/v4/cmd/helm")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Helm's answer, whatever it is."""
    command = [helm(), *arguments, "--namespace", NAMESPACE]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@cache
def rendered(*options: str) -> tuple[dict[str, Any], ...]:
    """The manifests, in Helm's order; a refusal fails the test with Helm's words."""
    answer = run("template", "bailiwick", str(CHART), *options)
    assert answer.returncode == 0, answer.stderr
    return tuple(one for one in yaml.safe_load_all(answer.stdout) if one)


def named(manifests: tuple[dict[str, Any], ...], kind: str, name: str) -> dict[str, Any]:
    """The one object of this kind and name."""
    (found,) = [one for one in manifests if one["kind"] == kind and one["metadata"]["name"] == name]
    return found


def kinds(manifests: tuple[dict[str, Any], ...]) -> set[str]:
    """Which kinds are among them."""
    return {one["kind"] for one in manifests}
