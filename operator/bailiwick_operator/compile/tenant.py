"""`compile_tenant`: the resources of one tenant namespace become one config. The contents page."""

from datetime import UTC, datetime

from bailiwick_contract.bounds import MAX_CONFIG_BYTES
from bailiwick_contract.canon import canonical_bytes
from bailiwick_contract.compat import CONTRACT_VERSION
from bailiwick_contract.v1.tenant_config_pb2 import Provider, TenantConfig
from bailiwick_operator.compile.access import compile_access
from bailiwick_operator.compile.backends import Providers, Surroundings
from bailiwick_operator.compile.callers import compile_bindings, compile_issuers
from bailiwick_operator.compile.findings import Report, Reports
from bailiwick_operator.compile.inputs import CompileInput, CompileResult
from bailiwick_operator.compile.limits import combine, money_is_limited
from bailiwick_operator.compile.ownership import check_gateways, check_namespaces, check_ownership
from bailiwick_operator.compile.policy import apply_policy
from bailiwick_operator.compile.prices import BookEntries, PriceTables, involved_books, read_books
from bailiwick_operator.compile.providers import (
    check_own_hosts,
    resolve_cluster_provider,
    resolve_own_provider,
)
from bailiwick_operator.compile.quota_store import apply_quota_store
from bailiwick_operator.compile.references import is_readable, readable, report
from bailiwick_operator.compile.routes import compile_routes
from bailiwick_operator.compile.rules import Rule, quota_rules, tenant_rules
from bailiwick_operator.compile.shared import check_price_books
from bailiwick_operator.compile.teams import compile_teams
from bailiwick_operator.compile.vault import apply_vault
from bailiwick_operator.conditions import Condition, ConditionType, Reason, Status


def compile_tenant(inputs: CompileInput, now: datetime) -> CompileResult:
    """The config of one namespace, and what to tell the author of every resource involved.

    Best effort: a route, quota or provider that is wrong is left out and says so, the others
    serve. Without an acceptable Tenant there is no config. The same inputs in any order give the
    same bytes; `now` sets the conditions' time and decides which price is today's.
    """
    reports = Reports()
    tenant = inputs.tenant
    out = report(reports, tenant)
    if not is_readable(tenant, out) or not check_ownership(inputs, out):
        return _result(None, reports, out, now)

    config = TenantConfig(
        contract_version=CONTRACT_VERSION,
        tenant=tenant.metadata.name,
        tenant_uid=tenant.metadata.uid,
        namespace=inputs.namespace,
        deny_reason=inputs.deny_reason,
    )
    check_namespaces(tenant, out)
    check_gateways(inputs, out)
    check_own_hosts(tenant, out)
    apply_policy(tenant, config, out)
    config.issuers.extend(compile_issuers(inputs, out))
    config.service_accounts.extend(compile_bindings(inputs, out))
    config.teams.extend(compile_teams(tenant, out))
    config.model_access.extend(compile_access(tenant, out))

    rules = _rules(inputs, reports)
    config.limits.extend(combine(rules, tenant=tenant.metadata.name))

    providers = _providers(inputs, reports)
    routes = compile_routes(
        readable(inputs.routes, reports),
        Surroundings(
            tenant=tenant,
            providers=providers,
            prices=PriceTables(
                books=_books(inputs, providers, reports),
                catalogue=inputs.catalogue,
                currency=tenant.spec.currency,
            ),
            money_limited=money_is_limited(rules),
            today=now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        ),
        reports,
    )
    config.routes.extend(routes)
    config.providers.extend(_used(config, providers))
    apply_quota_store(inputs, config, out)
    apply_vault(tenant, config)
    _check_size(config, out)
    return _result(config, reports, out, now)


def _rules(inputs: CompileInput, reports: Reports) -> list[Rule]:
    routes = frozenset(route.metadata.name for route in inputs.routes)
    rules = tenant_rules(inputs.tenant, routes, report(reports, inputs.tenant))
    for quota in readable(inputs.quotas, reports):
        rules.extend(quota_rules(quota, inputs.tenant, routes, report(reports, quota)))
    return rules


def _providers(inputs: CompileInput, reports: Reports) -> Providers:
    tenant, namespace = inputs.tenant, inputs.namespace
    named = {
        (backend.provider.kind.value, backend.provider.name)
        for route in inputs.routes
        for backend in route.spec.backends
    }
    used = [
        provider
        for provider in inputs.cluster_providers
        if ("ClusterModelProvider", provider.metadata.name) in named
    ]
    resolved = [
        resolve_cluster_provider(provider, tenant, namespace, report(reports, provider))
        for provider in readable(used, reports)
    ]
    resolved += [
        resolve_own_provider(provider, tenant, namespace, report(reports, provider))
        for provider in readable(inputs.providers, reports)
    ]
    return {provider.config.name: provider for provider in resolved}


def _books(inputs: CompileInput, providers: Providers, reports: Reports) -> BookEntries:
    names = {provider.book_name for provider in providers.values() if provider.book_name}
    books = readable(involved_books(inputs.price_books, names), reports)
    check_price_books(books, inputs.cluster_providers, reports)
    return read_books(books, names)


def _used(config: TenantConfig, providers: Providers) -> list[Provider]:
    names = {backend.provider for route in config.routes for backend in route.backends}
    return [providers[name].config for name in sorted(names)]


def _check_size(config: TenantConfig, out: Report) -> None:
    size = len(canonical_bytes(config))
    if size > MAX_CONFIG_BYTES:
        out.refuse(
            "spec",
            Reason.CONFIG_TOO_LARGE,
            f"the config of namespace {config.namespace} has {size} bytes, more than "
            f"{MAX_CONFIG_BYTES}",
            cure="use fewer routes, Quotas and inline key sets in one namespace",
        )


def _result(
    config: TenantConfig | None, reports: Reports, tenant: Report, now: datetime
) -> CompileResult:
    conditions = {one.resource: _condition(one, tenant, now) for one in reports.sorted()}
    return CompileResult(
        config=None if tenant.refused else config,
        conditions=conditions,
        findings=reports.findings(),
    )


def _condition(one: Report, tenant: Report, now: datetime) -> Condition:
    condition = one.accepted(now)
    if not tenant.refused or one.refused or not one.resource.namespace:
        return condition
    return Condition(
        type=ConditionType.ACCEPTED,
        status=Status.FALSE,
        reason=Reason.TENANT_NOT_ACCEPTED,
        message=f"{tenant.resource} is not accepted: see its own condition",
        observed_generation=one.generation,
        last_transition_time=now,
    )
