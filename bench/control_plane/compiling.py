"""How long `compile_tenant` takes for small, large and awkward tenants."""

import copy
import statistics
import time
from datetime import UTC, datetime
from typing import Any

import msgspec
from cluster.operator_kit import tenant

from bailiwick_operator.api.v1alpha1 import ClusterModelProvider, ModelRoute, Quota, Tenant
from bailiwick_operator.compile.catalogue import ListPrices
from bailiwick_operator.compile.inputs import Claim, CompileInput
from bailiwick_operator.compile.tenant import compile_tenant

ROUTES, QUOTAS, ROUNDS = 62, 104, 50
LIMITS = {"requestsPerSecond": 50, "requestsPerMinute": 900, "tokensPerMinute": 20000}


def compile_times() -> dict[str, float]:
    """Medians of processor time, in milliseconds."""
    return {
        "compile_typical_ms": _median(_inputs(5, 4, each=False)),
        "compile_large_ms": _median(_inputs(ROUTES, QUOTAS, each=False)),
        "compile_each_ms": _median(_inputs(ROUTES, QUOTAS, each=True)),
    }


def _median(inputs: CompileInput) -> float:
    now = datetime.now(UTC)
    seconds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        result = compile_tenant(inputs, now)
        seconds.append(time.process_time() - began)
        if result.config is None or len(result.config.routes) != len(inputs.routes):
            raise RuntimeError(f"not compiled: {result.findings}")
    return statistics.median(seconds) * 1e3


def _inputs(routes: int, quotas: int, *, each: bool) -> CompileInput:
    head, provider, route, quota = tenant("big", "big-prod")
    for document in (head, provider, route, quota):
        document["metadata"] |= {"uid": "u", "generation": 1}
    subjects: list[dict[str, Any]] = [
        {"team": "search", "route": f"r{n % routes}"} for n in range(quotas)
    ]
    if each:
        subjects[::4] = [{"each": ["User", "Route"]} for _ in subjects[::4]]
        head["spec"]["ceilings"] = [
            {"name": f"c{n}", "subject": {"team": "search", "route": f"r{n}"}, "limits": LIMITS}
            for n in range(min(routes, 64))
        ]
        head["spec"]["defaults"] = [
            {"name": f"d{n}", "subject": {"route": f"r{n}", "each": ["User"]}, "limits": LIMITS}
            for n in range(min(routes, 64))
        ]
    provider_ = msgspec.convert(provider, ClusterModelProvider)
    return CompileInput(
        tenant=msgspec.convert(head, Tenant),
        namespace="big-prod",
        gateways=1,
        quota_store=None,
        claims=(Claim(created="", tenant="big"),),
        cluster_providers=(provider_,),
        providers=(),
        routes=tuple(msgspec.convert(_named(route, f"r{n}"), ModelRoute) for n in range(routes)),
        quotas=tuple(
            msgspec.convert(_named(quota, f"q{n}", subject=subject, limits=LIMITS), Quota)
            for n, subject in enumerate(subjects)
        ),
        price_books=(),
        catalogue=ListPrices()((provider_,)),
    )


def _named(document: dict[str, Any], name: str, **spec: Any) -> dict[str, Any]:
    made = copy.deepcopy(document)
    made["metadata"]["name"] = name
    made["spec"] |= spec
    return made
