"""`bailiwick explain`: the files are compiled, the question is asked, the answer is printed."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bailiwick_cli.console import err, out
from bailiwick_cli.errors import FAILED, CommandError
from bailiwick_cli.explain.case import explain
from bailiwick_cli.explain.facts import Asked, Explanation
from bailiwick_cli.explain.rendering import show_explanation
from bailiwick_cli.problems import show, summary
from bailiwick_cli.resources import Checked, check
from bailiwick_cli.token import DEFAULT_USER
from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig


class ExplainError(CommandError):
    """There is nothing that could be explained."""


@dataclass(frozen=True, slots=True)
class ExplainOptions:
    """What was asked for on the command line."""

    paths: tuple[Path, ...]
    tenant: str
    team: str
    project: str | None
    user: str | None
    model: str
    tokens: int | None
    size: int
    namespace: str | None
    as_json_text: bool
    endpoint: str = "chat/completions"
    count: int = 1


def run(options: ExplainOptions) -> int:
    """Print what would become of the call; 0 where it would pass an idle gateway, else 1.

    Raises:
        ExplainError: the files have no such tenant or namespace, or do not compile.
    """
    checked = check(options.paths)
    config = _config(checked, options)
    asked = Asked(
        team=options.team,
        project=options.project or "",
        user=options.user or DEFAULT_USER,
        model=options.model,
        tokens=options.tokens,
        size=options.size,
        endpoint=options.endpoint,
        count=options.count,
    )
    explanation = explain(config, asked, now=int(time.time() * 1000))
    if options.as_json_text:
        sys.stdout.write(json.dumps(as_json(explanation), indent=2) + "\n")
    else:
        show_explanation(explanation, console=out())
    return FAILED if explanation.refused else 0


def as_json(explanation: Explanation) -> dict[str, object]:
    """The explanation as `--format json` prints it."""
    said = asdict(explanation)
    for limit in said["limits"]:
        limit["subject"] = dict(limit["subject"])
    return {"allowed": not explanation.refused, **said}


def _config(checked: Checked, options: ExplainOptions) -> TenantConfig:
    configs = {
        namespace: config
        for namespace, config in checked.configs.items()
        if config.tenant == options.tenant
    }
    if not configs and checked.violations:
        show(checked, console=err())
        raise ExplainError(f"{summary(checked)}: correct the files first")
    if not configs:
        tenants = sorted({config.tenant for config in checked.configs.values()})
        raise ExplainError(
            f"no tenant {options.tenant!r} with a namespace is in the files "
            f"(found: {', '.join(tenants) or 'none'}): correct --tenant or --file"
        )
    return configs[_namespace(configs, options)]


def _namespace(configs: Mapping[str, TenantConfig], options: ExplainOptions) -> str:
    """The namespace that was named, else the only one, else the only one with that alias."""
    if options.namespace is not None:
        if options.namespace not in configs:
            raise ExplainError(
                f"tenant {options.tenant} has no namespace {options.namespace!r} here "
                f"(it has {', '.join(sorted(configs))}): correct --namespace"
            )
        return options.namespace
    serving: Sequence[str] = [
        namespace
        for namespace, config in configs.items()
        if any(options.model in route.aliases for route in config.routes)
    ]
    candidates = serving or sorted(configs)
    if len(configs) == 1 or len(candidates) == 1:
        return next(iter(candidates))
    raise ExplainError(
        f"tenant {options.tenant} has several namespaces ({', '.join(sorted(candidates))}): "
        "choose one with --namespace"
    )
