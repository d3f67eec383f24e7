"""From files to compiled namespaces: what `validate` and `up` have in common."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bailiwick_cli.errors import CommandError
from bailiwick_contract.canon import canonical_bytes
from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_operator.api.findings import Note, Violation
from bailiwick_operator.api.v1alpha1.quota_store import QuotaStore
from bailiwick_operator.api.validation import load
from bailiwick_operator.compile.catalogue import list_prices
from bailiwick_operator.compile.inputs import DevelopmentIssuer, ServiceAccountIssuer
from bailiwick_operator.compile.local import compile_all


@dataclass(frozen=True, slots=True)
class Checked:
    """What files say. `configs` has each namespace that could be served, by name."""

    resources: int
    configs: dict[str, TenantConfig]
    violations: tuple[Violation, ...]
    warnings: tuple[Violation, ...]
    ignored: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class LocalIssuers:
    """Whom local mode trusts beside the tenant's own issuers."""

    development: DevelopmentIssuer
    service_accounts: ServiceAccountIssuer


IN_A_CLUSTER = ServiceAccountIssuer(
    issuer="https://kubernetes.default.svc",
    jwks_uri="https://kubernetes.default.svc/openid/v1/jwks",
)
"""Stands for the cluster's own issuer where files are only checked."""


def check(
    paths: Sequence[Path],
    *,
    issuers: LocalIssuers | None = None,
    only: Collection[str] = (),
    quota_store: QuotaStore | None = None,
    now: datetime | None = None,
) -> Checked:
    """Read, validate and compile everything at or below the paths.

    Without `issuers` it is as in a cluster. `only` says which namespaces will be served (empty:
    all of them), and so how many gateways would share a tenant's counters. `quota_store` is for
    tenants that name none.
    """
    loaded = load(paths)
    compiled = compile_all(
        loaded.resources,
        now=now or datetime.now(UTC),
        catalogue=list_prices(
            (*loaded.resources.cluster_model_providers, *loaded.resources.model_providers)
        ),
        quota_store=quota_store,
        served=only,
        extra_issuers=() if issuers is None else (issuers.development,),
        service_account_issuer=IN_A_CLUSTER if issuers is None else issuers.service_accounts,
        left_out=loaded.violations,
    )
    return Checked(
        resources=len(loaded.resources.sources),
        configs={
            namespace: result.config
            for namespace, result in compiled.results.items()
            if result.config is not None
        },
        violations=loaded.violations + compiled.violations,
        warnings=compiled.notes,
        ignored=loaded.notes,
    )


def local_store(address: str | None) -> QuotaStore | None:
    """A store on this machine, without TLS and password; None where none is named.

    Raises:
        CommandError: it is no address.
    """
    if address is None:
        return None
    try:
        return msgspec.convert({"address": address, "tls": False}, QuotaStore)
    except msgspec.ValidationError as error:
        raise CommandError(
            f"--quota-store {address!r} is no address: write HOST:PORT, as 127.0.0.1:6379, or"
            " redis+sentinel://HOST:PORT,…/NAME or redis+cluster://HOST:PORT,…"
        ) from error


def config_bytes(config: TenantConfig) -> bytes:
    """The config as the agent reads it."""
    return canonical_bytes(config)
