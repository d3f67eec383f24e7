"""Who may call: token issuers and service accounts."""

import re

from bailiwick_contract.v1.tenant_config_pb2 import (
    ClaimMappings,
    Issuer,
    RequiredClaim,
    ServiceAccountBinding,
)
from bailiwick_operator.api.v1alpha1 import Tenant
from bailiwick_operator.api.v1alpha1.callers import Callers, Jwks, JwtIssuer, ServiceAccounts
from bailiwick_operator.compile.address import AddressError, parse_url
from bailiwick_operator.compile.findings import Report
from bailiwick_operator.compile.inputs import CompileInput, DevelopmentIssuer, ServiceAccountIssuer
from bailiwick_operator.compile.keysets import KeySetError, public_keys
from bailiwick_operator.compile.teams import MISSING_TEAM_CURE, project_names, team_names
from bailiwick_operator.conditions import Reason

_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)+\Z")


def compile_issuers(inputs: CompileInput, out: Report) -> list[Issuer]:
    """Every issuer that this namespace's gateway trusts, by name; none means nobody can call."""
    callers = inputs.tenant.spec.callers or Callers()
    issuers = [
        _jwt_issuer(issuer, out, path=f"spec.callers.jwt[{index}]")
        for index, issuer in enumerate(callers.jwt)
    ]
    cluster = inputs.service_account_issuer
    if callers.service_accounts is not None:
        if cluster is not None:
            issuers.append(_service_account_issuer(cluster, callers.service_accounts))
        else:
            out.note(
                "spec.callers.serviceAccounts",
                Reason.SERVICE_ACCOUNTS_UNAVAILABLE,
                "no issuer of service-account tokens is known here, so no pod can call with its "
                "own token",
                cure="serve in a cluster, or call with a token of another issuer",
            )
    tenant = inputs.tenant.metadata.name
    issuers.extend(_development_issuer(issuer, tenant) for issuer in inputs.extra_issuers)
    _check_unique(issuers, out)
    if not issuers:
        out.note(
            "spec.callers",
            Reason.NO_CALLERS,
            "no issuer is trusted, so nobody can call",
            cure="add callers.jwt or callers.serviceAccounts",
        )
    return sorted(issuers, key=lambda issuer: (issuer.kind, issuer.name))


def compile_bindings(inputs: CompileInput, out: Report) -> list[ServiceAccountBinding]:
    """Which service account calls for which team, by name; none without an issuer for them."""
    callers = inputs.tenant.spec.callers
    if callers is None or callers.service_accounts is None:
        return []
    bindings = callers.service_accounts.bindings
    _check_bindings(inputs.tenant, callers.service_accounts, out)
    if inputs.service_account_issuer is None:
        return []
    return [
        ServiceAccountBinding(
            name=binding.name,
            namespace=binding.namespace,
            service_account=binding.service_account,
            team=binding.team,
            project=binding.project or "",
        )
        for binding in sorted(bindings, key=lambda binding: binding.name)
    ]


def _jwt_issuer(issuer: JwtIssuer, out: Report, *, path: str) -> Issuer:
    mappings = issuer.claim_mappings
    if not issuer.audiences:
        out.refuse(
            f"{path}.audiences",
            Reason.INVALID,
            "without an audience a token for any other service would do here",
            cure="name the audience that the issuer puts into aud",
        )
    mapped = {"team": mappings.team, "project": mappings.project, "user": mappings.user}
    claims = {role: mapping.claim for role, mapping in mapped.items() if mapping is not None}
    named = [(f"{path}.claimMappings.{role}.claim", claim) for role, claim in claims.items()]
    named += [
        (f"{path}.requiredClaims[{index}].claim", required.claim)
        for index, required in enumerate(issuer.required_claims)
    ]
    for where, claim in named:
        if not claim or (claim.startswith("/") and not _POINTER.match(claim)):
            out.refuse(
                where,
                Reason.INVALID,
                f"{claim!r} is neither a claim nor a JSON pointer",
                cure="write team_id, or /nested/claim with ~0 for ~ and ~1 for /",
            )
    compiled = Issuer(
        name=issuer.name,
        kind=Issuer.KIND_JWT,
        issuer=issuer.issuer,
        audiences=sorted(set(issuer.audiences)),
        required_claims=[
            RequiredClaim(claim=required.claim, value=required.value)
            for required in sorted(issuer.required_claims, key=lambda one: (one.claim, one.value))
        ],
        claim_mappings=ClaimMappings(**claims),
    )
    _set_keys(compiled, issuer.jwks, out, path=f"{path}.jwks")
    return compiled


def _set_keys(compiled: Issuer, jwks: Jwks, out: Report, *, path: str) -> None:
    if (jwks.uri is None) == (jwks.inline is None):
        out.refuse(
            path,
            Reason.INVALID,
            "jwks needs exactly one of uri and inline",
            cure="name where the key set is fetched, or give the key set itself",
        )
    elif jwks.inline is not None:
        try:
            compiled.jwks_inline = public_keys(jwks.inline)
        except KeySetError as error:
            out.refuse(f"{path}.inline", error.reason, str(error), cure=error.cure)
    elif jwks.uri is not None:
        try:
            endpoint = parse_url(jwks.uri, query=True)
        except AddressError as error:
            out.refuse(f"{path}.uri", Reason.INVALID, str(error), cure=error.cure)
            return
        if not endpoint.tls and not endpoint.loopback:
            out.refuse(
                f"{path}.uri",
                Reason.INVALID,
                "jwks.uri must be https: who can change the keys can be any caller",
                cure="use an https address; plain http is for loopback addresses only",
            )
        compiled.jwks_uri = jwks.uri


def _service_account_issuer(cluster: ServiceAccountIssuer, bound: ServiceAccounts) -> Issuer:
    compiled = Issuer(
        # No name of a Tenant's own issuer has a slash.
        name="cluster/service-accounts",
        kind=Issuer.KIND_SERVICE_ACCOUNT,
        issuer=cluster.issuer,
        audiences=[bound.audience],
    )
    if cluster.jwks_inline:
        compiled.jwks_inline = cluster.jwks_inline
    else:
        compiled.jwks_uri = cluster.jwks_uri
    return compiled


def _development_issuer(issuer: DevelopmentIssuer, tenant: str) -> Issuer:
    return Issuer(
        name=f"local/{issuer.name}",
        kind=Issuer.KIND_DEVELOPMENT,
        issuer=issuer.issuer,
        audiences=[issuer.audience],
        jwks_inline=issuer.jwks_inline,
        required_claims=[RequiredClaim(claim=issuer.tenant_claim, value=tenant)],
        claim_mappings=ClaimMappings(
            team=issuer.team_claim, project=issuer.project_claim, user=issuer.user_claim
        ),
    )


def _check_unique(issuers: list[Issuer], out: Report) -> None:
    seen: dict[str, str] = {}
    for issuer in issuers:
        holder = seen.setdefault(issuer.issuer, issuer.name)
        if holder != issuer.name:
            out.refuse(
                "spec.callers.jwt",
                Reason.DUPLICATE,
                f"{holder} and {issuer.name} have the same issuer",
                cure="merge them: a token could not tell which one it is for",
            )


def _check_bindings(tenant: Tenant, bound: ServiceAccounts, out: Report) -> None:
    namespaces = {claim.name for claim in tenant.spec.namespaces}
    accounts: set[tuple[str, str]] = set()
    for index, binding in enumerate(bound.bindings):
        path = f"spec.callers.serviceAccounts.bindings[{index}]"
        if binding.namespace not in namespaces:
            out.refuse(
                f"{path}.namespace",
                Reason.REF_NOT_FOUND,
                "callers.serviceAccounts names a namespace that spec.namespaces does not list",
                cure="add the namespace to spec.namespaces, or correct its name",
            )
        if binding.team not in team_names(tenant):
            out.refuse(
                f"{path}.team",
                Reason.REF_NOT_FOUND,
                "callers.serviceAccounts names a team that spec.teams does not list",
                cure=MISSING_TEAM_CURE,
            )
        elif binding.project and binding.project not in project_names(tenant, binding.team):
            out.refuse(
                f"{path}.project",
                Reason.REF_NOT_FOUND,
                f"team {binding.team} has no project {binding.project}",
                cure="add the project to the team, or correct its name",
            )
        account = (binding.namespace, binding.service_account)
        if account in accounts:
            out.refuse(
                path,
                Reason.DUPLICATE,
                "two bindings name the same service account",
                cure="keep one of them: a service account calls for one team",
            )
        accounts.add(account)
