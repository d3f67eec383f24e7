"""`up.json`: what is served now, for `bailiwick token` and for people with `jq`. No secrets."""

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from bailiwick_cli.datadir import DataDir, write_atomically
from bailiwick_cli.up.gateway import Gateway
from bailiwick_cli.up.standin import HOST
from bailiwick_contract.v1.tenant_config_pb2 import Issuer, TenantConfig


def url(port: int) -> str:
    """Where a gateway answers."""
    return f"http://{HOST}:{port}"


def write_served(
    data: DataDir,
    gateways: Iterable[Gateway],
    configs: Mapping[str, TenantConfig],
    *,
    running: bool = True,
) -> None:
    """The file says what these gateways are; once `running` is False, only what they knew."""
    entries = [
        {
            "namespace": gateway.place.namespace,
            "tenant": gateway.place.tenant,
            "url": url(gateway.place.port),
            "metrics": f"{url(gateway.place.metrics_port)}/metrics",
            "state": gateway.state.value,
            "agentPid": gateway.agent_pid,
            "envoyPid": gateway.envoy_pid,
        }
        for gateway in gateways
    ]
    tenants: dict[str, Any] = {}
    for config in configs.values():
        tenants[config.tenant] = _known(config)
    said = {
        "pid": os.getpid() if running else None,
        "gateways": entries if running else [],
        "tenants": tenants,
    }
    text = json.dumps(said, indent=1).encode() + b"\n"
    if not data.serving.exists() or data.serving.read_bytes() != text:
        write_atomically(data.serving, text)


def _known(config: TenantConfig) -> dict[str, Any]:
    audiences = [
        audience
        for issuer in config.issuers
        if issuer.kind == Issuer.KIND_SERVICE_ACCOUNT
        for audience in issuer.audiences
    ]
    return {
        "timeZone": config.time_zone,
        "teams": {
            team.name: {
                "claimValues": list(team.claim_values),
                "projects": [project.name for project in team.projects],
            }
            for team in config.teams
        },
        "serviceAccounts": [
            f"{bound.namespace}/{bound.service_account}" for bound in config.service_accounts
        ],
        "serviceAccountAudience": audiences[0] if audiences else None,
    }
