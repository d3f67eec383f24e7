"""A tenant's policy and role: exactly its own keys, for exactly its own gateways."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from agent.gateway_process import wait_for
from google.protobuf.json_format import ParseDict
from vault.vault_server import ROOT, Cluster, VaultServer

from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_operator.vault.admin import (
    Held,
    RoleTakenError,
    VaultAdminError,
    VaultRefusesError,
)
from bailiwick_operator.vault.grant import (
    Grant,
    NothingToGrantError,
    Trust,
    grant,
    policy_text,
    role_fields,
)
from bailiwick_operator.vault.hvac_admin import HvacVaultAdmin
from bailiwick_sidecar.secrets import KeyRef
from bailiwick_sidecar.vault.client import VaultClient
from bailiwick_sidecar.vault.outcomes import Denied, Failed, Found, Outcome
from bailiwick_sidecar.vault.reader import Login, Reader
from bailiwick_sidecar.vault.settings import Method, VaultSettings

ROOT_DIR = Path(__file__).parents[2]
ADMIN = "bailiwick.operator"
CLUSTER = "7c1d"
OPERATOR = "system:serviceaccount:bailiwick-system:bailiwick-operator"


def config(namespace: str, *paths: str, **vault: str) -> TenantConfig:
    said: dict[str, Any] = {
        "tenant": "acme",
        "namespace": namespace,
        "providers": [
            {
                "name": path,
                "credential": {"type": "TYPE_VAULT", "mount": "secret", "path": path, "key": "k"},
            }
            for path in paths
        ]
        + [{"name": "open", "credential": {"type": "TYPE_NONE"}}],
    }
    if paths:
        said["vault"] = {"authMount": "jwt", "role": "bailiwick-acme", **vault}
    return ParseDict(said, TenantConfig())


def apply(admin: HvacVaultAdmin, given: Grant, *, shrink: bool = True) -> bool:
    return admin.apply(given, cluster=CLUSTER, shrink=shrink)


def acme(method: str = "jwt") -> Grant:
    configs = [config("acme-b", "llm/acme/b", "llm/acme/a"), config("acme-a", "llm/acme/a")]
    return grant([*configs, config("acme-c")], Trust(method=method))


def test_the_policy_has_each_path_once_and_nothing_else() -> None:
    """Read alone, no pattern; a namespace without keys has no part in it."""
    assert policy_text(acme()).splitlines()[1:] == [
        'path "secret/data/llm/acme/a" { capabilities = ["read"] }',
        'path "secret/data/llm/acme/b" { capabilities = ["read"] }',
    ]
    assert acme().namespaces == ("acme-a", "acme-b")


def test_an_engine_of_version_1_has_no_data_in_its_paths() -> None:
    """The path is the entry's own."""
    given = grant([config("acme-a", "llm/acme/a")], Trust(kv_version=1))
    assert policy_text(given).splitlines()[1:] == [
        'path "secret/llm/acme/a" { capabilities = ["read"] }'
    ]


def test_the_role_binds_account_namespaces_and_audience() -> None:
    """For both methods."""
    kubernetes = role_fields(acme("kubernetes"))
    assert kubernetes["bound_service_account_names"] == ["bailiwick-gateway"]
    assert kubernetes["bound_service_account_namespaces"] == ["acme-a", "acme-b"]
    assert kubernetes["audience"] == "vault"
    jwt = role_fields(acme())
    assert jwt["bound_audiences"] == ["vault"]
    assert jwt["bound_claims"] == {
        "sub": [
            "system:serviceaccount:acme-a:bailiwick-gateway",
            "system:serviceaccount:acme-b:bailiwick-gateway",
        ]
    }


def test_a_tenant_without_keys_gets_no_role() -> None:
    """A role without paths would only be a way in."""
    with pytest.raises(NothingToGrantError, match="nothing to grant"):
        grant([config("acme-a")], Trust())


def read(server: VaultServer, folder: Path, cluster: Cluster, namespace: str, path: str) -> Outcome:
    """What the gateway of this namespace is told of this path."""
    token = folder / f"{namespace}.token"
    token.write_text(cluster.token(subject=f"system:serviceaccount:{namespace}:bailiwick-gateway"))
    settings = VaultSettings(address=server.address, token_file=token, method=Method.JWT)
    api = VaultClient(settings, clock=time.monotonic)
    reader = Reader(api, clock=time.monotonic, random=lambda: 0.5)
    ref = KeyRef("secret", path, "k")
    outcome = reader.read(Login("jwt", "bailiwick-acme"), [ref])[ref]
    reader.close()
    return outcome


def trusted(server: VaultServer, cluster: Cluster) -> None:
    server.write("sys/auth/jwt", {"type": "jwt"})
    server.write("auth/jwt/config", {"jwt_validation_pubkeys": [cluster.public()]})
    for path in ("llm/acme/a", "llm/acme/b", "llm/globex/a"):
        server.put_key(path, f"sk-{path[-1]}", field="k")


def test_the_printed_commands_grant_it(
    server: VaultServer, cluster: Cluster, tmp_path: Path, vault_program: Path
) -> None:
    """Run as they are printed, twice; then the tenant's gateway reads its key and no other's."""
    trusted(server, cluster)
    files = tmp_path / "acme.yaml"
    example = (ROOT_DIR / "examples" / "acme").glob("*.yaml")
    text = "---\n".join(file.read_text() for file in sorted(example))
    files.write_text(text.replace("authMount: kubernetes", "authMount: jwt"))
    bailiwick = Path(sys.executable).with_name("bailiwick")
    command = [bailiwick, "vault-policy", "acme", "--file", files, "--method", "jwt"]
    printed = [
        subprocess.run(command + more, capture_output=True, text=True, check=True).stdout
        for more in ([], ["--remove"])
    ]
    run = {
        "VAULT_ADDR": server.address,
        "VAULT_TOKEN": ROOT,
        "HOME": str(tmp_path),
        "PATH": f"{vault_program.parent}:{os.environ['PATH']}",
    }
    server.put_key("llm/acme/openai", "sk-x", field="k")
    for _ in range(2):
        subprocess.run(["bash", "-euc", printed[0]], env=run, check=True, capture_output=True)

    assert isinstance(read(server, tmp_path, cluster, "acme-prod", "llm/acme/openai"), Found)
    assert isinstance(read(server, tmp_path, cluster, "acme-prod", "llm/globex/a"), Denied)
    stranger = read(server, tmp_path, cluster, "globex-prod", "llm/acme/openai")
    assert isinstance(stranger, Failed | Denied)

    subprocess.run(["bash", "-euc", printed[1]], env=run, check=True, capture_output=True)
    gone = read(server, tmp_path, cluster, "acme-prod", "llm/acme/openai")
    assert isinstance(gone, Failed | Denied)


@pytest.fixture
def admin(server: VaultServer, cluster: Cluster, tmp_path: Path) -> HvacVaultAdmin:
    """The operator's way into Vault, with a policy for policies and roles alone."""
    trusted(server, cluster)
    server.write(
        f"sys/policies/acl/{ADMIN}",
        {
            "policy": "\n".join(
                f'path "{path}" {{ capabilities = ["create", "read", "update", "delete"] }}'
                for path in ("sys/policies/acl/bailiwick-*", "auth/+/role/bailiwick-*")
            )
            + '\npath "sys/policies/acl" { capabilities = ["list"] }'
        },
        method="PUT",
    )
    server.write(
        f"auth/jwt/role/{ADMIN}",
        {
            "role_type": "jwt",
            "bound_audiences": ["vault"],
            "bound_subject": OPERATOR,
            "user_claim": "sub",
            "token_policies": [ADMIN],
        },
    )
    token = tmp_path / "operator.token"
    token.write_text(cluster.token(subject=OPERATOR))
    return HvacVaultAdmin(address=server.address, auth_mount="jwt", role=ADMIN, token_file=token)


def test_the_operator_grants_and_takes_back(
    admin: HvacVaultAdmin, server: VaultServer, cluster: Cluster, tmp_path: Path
) -> None:
    """Only differences are written; after the removal a token that is still out reads nothing."""
    assert apply(admin, acme())
    assert not apply(admin, acme())
    for namespace in ("acme-a", "acme-b"):
        assert isinstance(read(server, tmp_path, cluster, namespace, "llm/acme/b"), Found)
    assert isinstance(read(server, tmp_path, cluster, "acme-a", "llm/globex/a"), Denied)

    less = grant([config("acme-a", "llm/acme/a")], Trust(method="jwt"))
    assert not apply(admin, less, shrink=False)
    assert isinstance(read(server, tmp_path, cluster, "acme-b", "llm/acme/b"), Found)
    assert apply(admin, less)
    assert isinstance(read(server, tmp_path, cluster, "acme-a", "llm/acme/b"), Denied)
    assert isinstance(read(server, tmp_path, cluster, "acme-b", "llm/acme/a"), Failed | Denied)

    token = server.write(
        "auth/jwt/login",
        {
            "role": "bailiwick-acme",
            "jwt": cluster.token(subject="system:serviceaccount:acme-a:bailiwick-gateway"),
        },
    )["auth"]["client_token"]
    assert server.call("GET", "secret/data/llm/acme/a", token=token)[0] == 200
    held = Held("acme", "jwt", "bailiwick-acme")
    assert admin.held(cluster=CLUSTER, known=()) == [held]
    assert admin.held(cluster=CLUSTER, known=["bailiwick-acme"]) == []
    admin.remove([held], cluster="another")
    assert server.call("GET", "secret/data/llm/acme/a", token=token)[0] == 200
    for _ in range(2):
        admin.remove([held], cluster=CLUSTER)
    assert server.call("GET", "secret/data/llm/acme/a", token=token)[0] == 403
    assert server.call("GET", "auth/jwt/role/bailiwick-acme")[0] == 404


def test_a_role_moves_to_another_mount(
    admin: HvacVaultAdmin, server: VaultServer, cluster: Cluster
) -> None:
    """The old mount's role stays while a gateway may need it, and goes then."""
    server.write("sys/auth/jwt-2", {"type": "jwt"})
    server.write("auth/jwt-2/config", {"jwt_validation_pubkeys": [cluster.public()]})
    moved = grant([config("acme-a", "llm/acme/a", authMount="jwt-2")], Trust(method="jwt"))
    assert apply(admin, grant([config("acme-a", "llm/acme/a")], Trust(method="jwt")))

    assert apply(admin, moved, shrink=False)
    assert server.call("GET", "auth/jwt/role/bailiwick-acme")[0] == 200
    assert server.call("GET", "auth/jwt-2/role/bailiwick-acme")[0] == 200
    assert apply(admin, moved)
    assert server.call("GET", "auth/jwt/role/bailiwick-acme")[0] == 404
    admin.remove([Held("acme", "jwt", "bailiwick-acme")], cluster=CLUSTER)
    assert server.call("GET", "sys/policies/acl/bailiwick-acme")[0] == 200
    assert server.call("GET", "auth/jwt-2/role/bailiwick-acme")[0] == 200


def test_what_was_printed_is_taken_over_and_another_tenants_is_not(
    admin: HvacVaultAdmin, server: VaultServer
) -> None:
    """Turning `vault.manage` on after `bailiwick vault-policy` needs no removal."""
    path = "sys/policies/acl/bailiwick-acme"
    server.write(path, {"policy": policy_text(acme())}, method="PUT")
    assert apply(admin, acme())
    assert not apply(admin, acme())

    with pytest.raises(RoleTakenError, match="belongs to tenant acme"):
        apply(admin, replace(acme(), tenant="globex"))
    with pytest.raises(RoleTakenError, match="of another cluster"):
        admin.apply(acme(), cluster="another", shrink=True)


def test_what_the_operator_may_not_do_is_said(admin: HvacVaultAdmin, server: VaultServer) -> None:
    """A role that is not its own, a policy of its own that does not let it, a Vault away."""
    for changes, words in (
        ({"role": "root-like"}, "begins with bailiwick-"),
        ({"role": ".."}, "begins with bailiwick-"),
        ({"authMount": "jwt/../../sys"}, "not the operator's to write"),
    ):
        configs = [config("acme-a", "llm/acme/a", **changes)]
        with pytest.raises(VaultRefusesError, match=words):
            apply(admin, grant(configs, Trust(method="jwt")))
    server.write(f"sys/policies/acl/{ADMIN}", {"policy": "# nothing"}, method="PUT")
    with pytest.raises(VaultRefusesError, match="permission denied"):
        apply(admin, acme())
    server.kill()
    with pytest.raises(VaultAdminError, match="cannot be used"):
        apply(admin, acme())
    wait_for("the end", lambda: server.process.poll() is not None)
