"""What the chart says of Vault reaches the agent in its pod."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_operator.children.gateway import build_gateway
from bailiwick_operator.children.model import Binding, Gateway, GatewaySettings
from bailiwick_operator.publish.hub import Version
from bailiwick_sidecar.pod.agent import settings_of
from bailiwick_sidecar.pod.environment import Environment, PodEnvironmentError
from bailiwick_sidecar.vault.settings import Method, VaultSettings

VAULT: dict[str, Any] = {
    "address": "https://vault.vault.svc:8200", "method": "jwt", "namespace": "team-a",
    "audience": "vault.example", "caBundle": "PEM", "pollSeconds": 15, "maxStaleSeconds": 3600,
    "maxAgeSeconds": 0,
}  # fmt: skip


def pod(vault: dict[str, Any]) -> dict[str, Any]:
    settings = msgspec.convert({"image": "i", "vault": vault}, GatewaySettings)
    gateway = Gateway(
        binding=Binding(namespace="n", uid="u", tenant="acme", tenant_uid="t"),
        replicas=1,
        shared_store=False,
        current=(Version(sequence=1, digest="d"), TenantConfig()),
        acked=None,
        operator_ca="",
        settings=settings,
    )
    deployment = next(one for one in build_gateway(gateway) if one["kind"] == "Deployment")
    spec: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return spec


def environment(container: dict[str, Any]) -> Environment:
    """What the container's process would read; the downward API's values stand for themselves."""
    return Environment.read({one["name"]: one.get("value", "x") for one in container["env"]})


def test_the_agent_reads_what_the_chart_says() -> None:
    """Every setting takes effect."""
    agent = pod(VAULT)["initContainers"][0]

    assert settings_of(environment(agent)).vault == VaultSettings(
        address="https://vault.vault.svc:8200",
        token_file=Path("/var/run/secrets/bailiwick/vault/token"),
        method=Method.JWT,
        namespace="team-a",
        ca_file=Path("/etc/bailiwick/config/current/vault-ca.pem"),
        poll=15,
        max_stale=3600,
        max_age=0,
    )


def test_only_the_agent_gets_the_token_for_vault() -> None:
    """Bound to Vault's audience and short-lived; Envoy's container has nothing of Vault."""
    spec = pod(VAULT)
    volume = next(one for one in spec["volumes"] if one["name"] == "vault-token")
    token = volume["projected"]["sources"][0]["serviceAccountToken"]
    envoy = spec["containers"][0]

    assert (token["audience"], token["expirationSeconds"]) == ("vault.example", 600)
    assert [one["name"] for one in envoy["volumeMounts"] if "vault" in one["name"]] == []
    assert [one["name"] for one in envoy["env"] if "VAULT" in one["name"]] == []


def test_without_an_address_there_is_nothing_of_vault() -> None:
    """Neither variable nor volume."""
    spec = pod({})

    assert environment(spec["initContainers"][0]).vault is None
    assert "vault" not in str(spec)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"METHOD": "ldap"}, "BAILIWICK_VAULT_"), ({"POLL": "often"}, "vault in the chart's values")],
)
def test_a_variable_that_makes_no_sense_is_named(changes: dict[str, str], words: str) -> None:
    """The message says where it comes from."""
    said = {
        one["name"]: one.get("value", "x") for one in pod(VAULT)["initContainers"][0]["env"]
    } | {f"BAILIWICK_VAULT_{name}": value for name, value in changes.items()}

    with pytest.raises(PodEnvironmentError, match=words):
        Environment.read(said)
