"""Routes: the aliases that callers use, and what stands behind each."""

import unicodedata
from collections.abc import Sequence

from bailiwick_contract.v1.tenant_config_pb2 import Backend as BackendConfig
from bailiwick_contract.v1.tenant_config_pb2 import Route as RouteConfig
from bailiwick_operator.api.v1alpha1 import ModelRoute
from bailiwick_operator.api.v1alpha1.model_route import OnExceed, Stickiness
from bailiwick_operator.compile.backends import Surroundings, compile_backends
from bailiwick_operator.compile.fallback import compile_fallback, compile_timeouts
from bailiwick_operator.compile.findings import Report, Reports
from bailiwick_operator.compile.references import report
from bailiwick_operator.compile.teams import check_teams
from bailiwick_operator.conditions import Reason


def compile_routes(
    routes: Sequence[ModelRoute], around: Surroundings, reports: Reports
) -> list[RouteConfig]:
    """The routes that are accepted, by name; every alias leads to one of them."""
    compiled = {}
    for route in routes:
        out = report(reports, route)
        config = _route(route, around, out)
        if not out.refused:
            compiled[route.metadata.name] = config
    _settle_aliases(routes, compiled, reports)
    return [compiled[name] for name in sorted(compiled)]


def _route(route: ModelRoute, around: Surroundings, out: Report) -> RouteConfig:
    spec = route.spec
    backends = compile_backends(route, around, out)
    if backends and not any(backend.weight for backend in backends):
        out.refuse(
            "spec.backends",
            Reason.INVALID,
            "every backend has weight 0: nothing could answer",
            cure="give at least one backend a weight above 0",
        )
    check_teams(spec.teams, around.tenant, out, path="spec.teams")
    fallback = compile_fallback(spec.fallback, backends, out)
    config = RouteConfig(
        name=route.metadata.name,
        aliases=sorted(set(spec.aliases) or {route.metadata.name}),
        backends=backends,
        fallback=fallback,
        timeouts=compile_timeouts(spec.timeouts, fallback.max_attempts, out),
        teams=sorted(set(spec.teams)),
        stickiness=RouteConfig.STICKINESS_USER if spec.stickiness is Stickiness.USER else None,
        on_exceed=RouteConfig.ON_EXCEED_CUT if spec.on_exceed is OnExceed.CUT else None,
    )
    _check_aliases(route, out)
    _check_stickiness(route, out)
    _set_output_tokens(route, config, backends, out)
    return config


def _check_aliases(route: ModelRoute, out: Report) -> None:
    for index, alias in enumerate(route.spec.aliases):
        plain = alias.isprintable() and alias == unicodedata.normalize("NFC", alias.strip())
        if not alias or not plain:
            out.refuse(
                f"spec.aliases[{index}]",
                Reason.INVALID,
                f"{alias!r} is not how a caller would write it",
                cure="remove spaces around it and characters that can't be seen",
            )


def _check_stickiness(route: ModelRoute, out: Report) -> None:
    taking = [backend.priority for backend in route.spec.backends if backend.weight]
    if route.spec.stickiness is not None and len(set(taking)) == len(taking):
        out.note(
            "spec.stickiness",
            Reason.MATCHES_NOTHING,
            "no priority has two backends that take calls, so there is nothing to stay at",
            cure="remove it, or give two backends the same priority",
        )


def _set_output_tokens(
    route: ModelRoute, config: RouteConfig, backends: Sequence[BackendConfig], out: Report
) -> None:
    tokens = route.spec.output_tokens
    if tokens is None:
        return
    if tokens.max is not None and tokens.default is not None and tokens.default > tokens.max:
        out.refuse(
            "spec.outputTokens.default",
            Reason.INVALID,
            "outputTokens.default is above outputTokens.max",
            cure="make default at most max",
        )
    known = [backend.max_output_tokens for backend in backends if backend.weight]
    # Where one model's maximum is not known, nothing can be said about the largest.
    largest = max(known) if known and all(known) else 0
    for field in ("max", "default"):
        wanted = getattr(tokens, field) or 0
        if largest and wanted > largest:
            out.note(
                f"spec.outputTokens.{field}",
                Reason.CLAMPED,
                f"{wanted} is more than any of the route's models gives",
                cure=f"{largest} holds: lower the figure, or name a model that gives more",
            )
            wanted = largest
        setattr(config, f"{field}_output_tokens", wanted)


def _settle_aliases(
    routes: Sequence[ModelRoute], compiled: dict[str, RouteConfig], reports: Reports
) -> None:
    oldest_first = sorted(
        routes, key=lambda route: (route.metadata.creation_timestamp, route.metadata.name)
    )
    owner: dict[str, str] = {}
    for route in oldest_first:
        name = route.metadata.name
        if name not in compiled:
            continue
        taken = [alias for alias in compiled[name].aliases if alias in owner]
        for alias in taken:
            out = report(reports, route)
            written = list(route.spec.aliases)
            out.refuse(
                f"spec.aliases[{written.index(alias)}]" if alias in written else "metadata.name",
                Reason.ALIAS_CONFLICT,
                f"alias {alias} belongs to ModelRoute {owner[alias]}, which is older",
                cure="choose another alias, or remove it from the other route",
            )
        if taken:
            del compiled[name]
        else:
            owner.update(dict.fromkeys(compiled[name].aliases, name))
