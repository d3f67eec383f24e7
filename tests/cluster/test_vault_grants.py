"""`vault.manage`: the operator writes tenants' policies and roles into a real Vault."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from cluster.control_plane import ControlPlane
from cluster.operator_kit import (
    GROUP,
    apply_all,
    conditions,
    ensure_namespace,
    operating,
    path_of,
    settings,
    until_says,
)
from cluster.vault_kit import account, start_vault, token, trust_by_jwt
from cluster.waiting import eventually
from vault.vault_server import VaultServer

from bailiwick_operator.app import Operator
from bailiwick_operator.settings import Settings, VaultManagement

OPERATOR_POLICY = """
path "sys/policies/acl" { capabilities = ["list"] }
path "sys/policies/acl/bailiwick-*" { capabilities = ["create", "read", "update", "delete"] }
path "auth/jwt/role/bailiwick-*" { capabilities = ["create", "read", "update", "delete"] }
"""
MANAGER = "bailiwick.operator"


@pytest.fixture
def plane(control_plane: ControlPlane) -> ControlPlane:
    account(control_plane, "bailiwick-system", "bailiwick-operator")
    return control_plane


@pytest.fixture
def server(plane: ControlPlane, tmp_path: Path) -> Iterator[VaultServer]:
    """A Vault that trusts the cluster, and its operator with the policy of the docs."""
    started = start_vault(tmp_path)
    trust_by_jwt(started, plane)
    started.write(f"sys/policies/acl/{MANAGER}", {"policy": OPERATOR_POLICY}, method="PUT")
    started.write(
        f"auth/jwt/role/{MANAGER}",
        {
            "role_type": "jwt",
            "bound_audiences": ["vault"],
            "bound_subject": "system:serviceaccount:bailiwick-system:bailiwick-operator",
            "user_claim": "sub",
            "token_policies": [MANAGER],
        },
    )
    yield started
    started.stop()


@contextlib.asynccontextmanager
async def managing(
    plane: ControlPlane, server: VaultServer, folder: Path
) -> AsyncIterator[Operator]:
    """An operator with `vault.manage`."""
    file = folder / "operator.token"
    file.write_text(token(plane, "bailiwick-system", "bailiwick-operator"))
    base = settings()
    said = Settings(
        gateway=_with_vault(base, server),
        stream=base.stream,
        namespace=base.namespace,
        liveness="",
        resync_seconds=3.0,
        vault=VaultManagement(manage=True, auth_mount="jwt", token_file=str(file)),
    )
    async with operating(plane, said) as operator:
        yield operator


def _with_vault(base: Settings, server: VaultServer) -> Any:
    vault = msgspec.structs.replace(base.gateway.vault, address=server.address, method="jwt")
    return msgspec.structs.replace(base.gateway, vault=vault)


def resources(name: str, *, role: str = "", path: str = "llm/{tenant}/openai") -> list[Any]:
    """A tenant whose one route needs a key."""
    vault: dict[str, Any] = {"authMount": "jwt", **({"role": role} if role else {})}
    text = f"""
apiVersion: bailiwick.dev/v1alpha1
kind: Tenant
metadata: {{name: {name}}}
spec:
  namespaces: [{{name: {name}-prod}}]
  currency: USD
  callers:
    jwt:
      - name: corp
        issuer: https://idp.example
        audiences: [llm]
        jwks: {{uri: "https://idp.example/jwks.json"}}
        claimMappings: {{team: {{claim: team}}}}
  teams: [{{name: search}}]
  modelAccess: [{{tier: shared}}]
---
apiVersion: bailiwick.dev/v1alpha1
kind: ClusterModelProvider
metadata: {{name: {name}-openai}}
spec:
  protocol: OpenAI
  baseURL: https://api.openai.example/v1
  region: eu-west-1
  tier: shared
  credentials: {{type: Vault, vault: {{path: "{path}", key: api_key}}}}
  currency: USD
  models:
    - {{name: gpt-5, maxOutputTokens: 8192, contextWindow: 32768,
        price: {{inputPerMillion: "1", outputPerMillion: "1"}}}}
---
apiVersion: bailiwick.dev/v1alpha1
kind: ModelRoute
metadata: {{name: fast, namespace: {name}-prod}}
spec:
  backends:
    - {{name: openai, provider: {{kind: ClusterModelProvider, name: {name}-openai}}, model: gpt-5}}
"""
    made: list[Any] = list(yaml.safe_load_all(text))
    made[0]["spec"]["vault"] = vault
    return made


def reads(plane: ControlPlane, server: VaultServer, name: str, path: str, role: str = "") -> int:
    """What Vault answers to the tenant's gateway that asks for this path; 0: no login."""
    account(plane, f"{name}-prod", "bailiwick-gateway")
    given = token(plane, f"{name}-prod", "bailiwick-gateway")
    login = {"role": role or f"bailiwick-{name}", "jwt": given}
    status, said = server.call("POST", "auth/jwt/login", login, token="")
    if status != 200:
        return 0
    return server.call("GET", f"secret/data/{path}", token=said["auth"]["client_token"])[0]


async def until_reads(
    plane: ControlPlane, server: VaultServer, name: str, path: str, status: int
) -> None:
    async def holds() -> bool:
        return await asyncio.to_thread(reads, plane, server, name, path) == status

    await eventually(holds, within=60)


def test_a_tenant_gets_its_grant_and_loses_it(
    plane: ControlPlane, server: VaultServer, tmp_path: Path
) -> None:
    """Written from its resources, changed with them, mended after another's hand, removed."""

    async def run() -> None:
        await asyncio.to_thread(ensure_namespace, plane, "granted-prod")
        made = resources("granted")
        tenant, provider, _ = made
        for path in ("llm/granted/openai", "llm/granted/other", "llm/else/openai"):
            server.put_key(path, "sk-x")
        async with managing(plane, server, tmp_path):
            await asyncio.to_thread(apply_all, plane, made)
            await until_says(plane, tenant, "VaultGranted", "True", "Granted")
            await until_reads(plane, server, "granted", "llm/granted/openai", 200)
            await until_reads(plane, server, "granted", "llm/else/openai", 403)

            provider["spec"]["credentials"]["vault"]["path"] = "llm/{tenant}/other"
            await asyncio.to_thread(plane.apply, provider, path_of(provider))
            await until_reads(plane, server, "granted", "llm/granted/other", 200)
            await until_reads(plane, server, "granted", "llm/granted/openai", 403)

            writes = len(server.asked("update", "sys/policies/acl/bailiwick-granted"))
            tenant["spec"]["limits"] = {"tokensPerMinute": 40000}
            await asyncio.to_thread(plane.apply, tenant, path_of(tenant))
            await until_says(plane, tenant, "VaultGranted", "True", "Granted")
            assert len(server.asked("update", "sys/policies/acl/bailiwick-granted")) == writes

            wide = 'path "secret/*" { capabilities = ["read"] }'
            policy = server.call("GET", "sys/policies/acl/bailiwick-granted")[1]["data"]["policy"]
            marked = policy.partition("path ")[0] + wide
            server.write("sys/policies/acl/bailiwick-granted", {"policy": marked}, method="PUT")
            await until_reads(plane, server, "granted", "llm/else/openai", 403)

            await asyncio.to_thread(plane.request, "DELETE", f"{GROUP}/tenants/granted")
            await until_gone(server, "bailiwick-granted")

    asyncio.run(run())


async def until_gone(server: VaultServer, role: str) -> None:
    async def gone() -> bool:
        policy, _ = await asyncio.to_thread(server.call, "GET", f"sys/policies/acl/{role}")
        entry, _ = await asyncio.to_thread(server.call, "GET", f"auth/jwt/role/{role}")
        return (policy, entry) == (404, 404)

    await eventually(gone, within=60)


def test_what_went_while_nobody_looked_is_swept(
    plane: ControlPlane, server: VaultServer, tmp_path: Path
) -> None:
    """A tenant deleted while the operator was away; others' policies stay as they are."""

    async def run() -> None:
        for name in ("swept", "staying"):
            await asyncio.to_thread(ensure_namespace, plane, f"{name}-prod")
        stranger = 'path "secret/data/x" { capabilities = ["read"] }'
        server.write("sys/policies/acl/bailiwick-stranger", {"policy": stranger}, method="PUT")
        foreign = (
            '# bailiwick {"authMount": "jwt", "cluster": "another", "tenant": "gone"}\n' + stranger
        )
        server.write("sys/policies/acl/bailiwick-foreign", {"policy": foreign}, method="PUT")
        swept, staying = resources("swept"), resources("staying")
        async with managing(plane, server, tmp_path):
            await asyncio.to_thread(apply_all, plane, [*swept, *staying])
            for made in (swept, staying):
                await until_says(plane, made[0], "VaultGranted", "True", "Granted")
        await asyncio.to_thread(plane.request, "DELETE", f"{GROUP}/tenants/swept")
        async with managing(plane, server, tmp_path):
            await until_gone(server, "bailiwick-swept")
            for name in ("stranger", "foreign", "staying"):
                status, _ = server.call("GET", f"sys/policies/acl/bailiwick-{name}")
                assert status == 200, name

    asyncio.run(run())


def test_vaults_no_is_a_condition_and_delays_nothing(
    plane: ControlPlane, server: VaultServer, tmp_path: Path
) -> None:
    """A role of someone else, one that the operator may not write, and a Vault that is away."""

    async def run() -> None:
        for name in ("taken", "beyond", "away"):
            await asyncio.to_thread(ensure_namespace, plane, f"{name}-prod")
        text = 'path "secret/data/x" { capabilities = ["read"] }'
        server.write("sys/policies/acl/bailiwick-taken", {"policy": text}, method="PUT")
        taken, beyond, away = resources("taken"), resources("beyond", role="root-like"), None
        async with managing(plane, server, tmp_path):
            await asyncio.to_thread(apply_all, plane, [*taken, *beyond])
            await until_says(plane, taken[0], "VaultGranted", "False", "RoleTaken")
            await until_says(plane, beyond[0], "VaultGranted", "False", "VaultRefuses")
            for made in (taken, beyond):
                await until_says(plane, made[0], "Accepted", "True", "Accepted")
                await until_says(plane, made[2], "Programmed", "False", "NoReadyReplica")
            _, said = server.call("GET", "sys/policies/acl/bailiwick-taken")
            assert said["data"]["policy"] == text

            with server.frozen():
                away = resources("away")
                before = time.monotonic()
                await asyncio.to_thread(apply_all, plane, away)
                await until_says(plane, away[2], "Accepted", "True", "Accepted")
                print(f"\naccepted {time.monotonic() - before:.2f} s after, Vault hanging")
                await until_says(plane, away[0], "VaultGranted", "False", "VaultUnavailable")
                found = await asyncio.to_thread(plane.request, "GET", path_of(away[0]))
                assert "Vault cannot be used" in conditions(found)["VaultGranted"]["message"]
            await until_says(plane, away[0], "VaultGranted", "True", "Granted")

    asyncio.run(run())
