"""Every namespace that a set of files describes, compiled: for `validate` and local mode."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from bailiwick_operator.api.findings import Violation
from bailiwick_operator.api.v1alpha1 import ModelProvider, ModelRoute, Quota, Tenant
from bailiwick_operator.api.v1alpha1.quota_store import QuotaStore
from bailiwick_operator.api.validation import Resources
from bailiwick_operator.compile.findings import Finding, Ref, Reports
from bailiwick_operator.compile.inputs import (
    Catalogue,
    Claim,
    CompileInput,
    CompileResult,
    DevelopmentIssuer,
    ServiceAccountIssuer,
)
from bailiwick_operator.compile.references import report
from bailiwick_operator.compile.shared import check_cluster_providers, check_price_books
from bailiwick_operator.compile.tenant import compile_tenant
from bailiwick_operator.conditions import Reason

Namespaced = TypeVar("Namespaced", ModelProvider, ModelRoute, Quota)


@dataclass(frozen=True, slots=True)
class Compiled:
    """All namespaces and everything to be said about the files.

    `results` has every namespace that a Tenant holds, by name. `violations` are why something
    does not serve; `notes` are what the author should know although it serves.
    """

    results: Mapping[str, CompileResult]
    violations: tuple[Violation, ...]
    notes: tuple[Violation, ...]


def compile_all(
    resources: Resources,
    *,
    now: datetime,
    catalogue: Catalogue,
    quota_store: QuotaStore | None = None,
    served: Collection[str] = (),
    extra_issuers: Sequence[DevelopmentIssuer] = (),
    service_account_issuer: ServiceAccountIssuer | None = None,
    left_out: Sequence[Violation] = (),
) -> Compiled:
    """Compile each namespace that a Tenant lists, as the operator would.

    `served` says which of them will have a gateway (empty: all), and so how many gateways count
    a tenant's use. `left_out` is what loading said of resources that are not among `resources`:
    what only follows from their absence is not said.
    """
    claims = _claims(resources.tenants)
    results: dict[str, CompileResult] = {}
    findings: list[Finding] = []
    for tenant in resources.tenants:
        most = tenant.spec.gateway.most if tenant.spec.gateway else 1
        namespaces = tuple(dict.fromkeys(claim.name for claim in tenant.spec.namespaces))
        counting = [name for name in namespaces if name in served] or namespaces
        for namespace in namespaces:
            result = compile_tenant(
                CompileInput(
                    tenant=tenant,
                    namespace=namespace,
                    gateways=len(counting) * most,
                    quota_store=quota_store,
                    claims=claims[namespace],
                    cluster_providers=resources.cluster_model_providers,
                    providers=_inside(resources.model_providers, namespace),
                    routes=_inside(resources.model_routes, namespace),
                    quotas=_inside(resources.quotas, namespace),
                    price_books=resources.price_books,
                    catalogue=catalogue,
                    extra_issuers=tuple(extra_issuers),
                    service_account_issuer=service_account_issuer,
                ),
                now,
            )
            findings.extend(result.findings)
            if min(claims[namespace]).tenant == tenant.metadata.name:
                results[namespace] = result
    reports = Reports()
    check_cluster_providers(resources.cluster_model_providers, reports)
    check_price_books(resources.price_books, resources.cluster_model_providers, reports)
    _check_homeless(resources, claims, reports)
    findings.extend(reports.findings())
    said = _without_consequences(findings, {one.resource for one in left_out})
    return Compiled(
        results={namespace: results[namespace] for namespace in sorted(results)},
        violations=tuple(_violations(said, resources, refuses=True)),
        notes=tuple(_violations(said, resources, refuses=False)),
    )


def _claims(tenants: Sequence[Tenant]) -> Mapping[str, tuple[Claim, ...]]:
    claims: dict[str, set[Claim]] = defaultdict(set)
    for tenant in tenants:
        for namespace in tenant.spec.namespaces:
            claims[namespace.name].add(
                Claim(tenant.metadata.creation_timestamp, tenant.metadata.name)
            )
    return {namespace: tuple(sorted(claims[namespace])) for namespace in claims}


def _inside(resources: Sequence[Namespaced], namespace: str) -> tuple[Namespaced, ...]:
    return tuple(one for one in resources if one.metadata.namespace == namespace)


def _check_homeless(
    resources: Resources, claims: Mapping[str, tuple[Claim, ...]], reports: Reports
) -> None:
    namespaced: list[ModelProvider | ModelRoute | Quota] = [
        *resources.model_providers,
        *resources.model_routes,
        *resources.quotas,
    ]
    for resource in namespaced:
        if resource.metadata.namespace not in claims:
            report(reports, resource).refuse(
                "metadata.namespace",
                Reason.UNCLAIMED_NAMESPACE,
                f"namespace {resource.metadata.namespace} belongs to no Tenant",
                cure="list it in spec.namespaces of a Tenant, or correct its name",
            )


def _without_consequences(findings: Sequence[Finding], broken: Collection[str]) -> list[Finding]:
    """Each finding once, without those that would not be there but for another resource's."""
    causes = set(broken) | {str(one.resource) for one in findings if one.refuses}
    tenant_is_broken = any(label.startswith("Tenant ") for label in broken)
    return [
        one
        for one in dict.fromkeys(findings)
        if (one.about is None or str(one.about) not in causes)
        and not (tenant_is_broken and one.reason is Reason.UNCLAIMED_NAMESPACE)
    ]


def _violations(
    findings: Sequence[Finding], resources: Resources, *, refuses: bool
) -> Iterator[Violation]:
    for finding in findings:
        if finding.refuses is refuses:
            source = resources.sources.get(_key(finding.resource))
            yield Violation(
                file=source.file if source else "",
                line=source.line if source else None,
                resource=str(finding.resource),
                path=finding.path,
                message=finding.message,
                cure=finding.cure,
            )


def _key(resource: Ref) -> tuple[str, str, str]:
    return (resource.kind, resource.namespace, resource.name)
