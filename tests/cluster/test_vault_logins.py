"""Gateways log in to a real Vault with tokens that a real API server signed."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster.control_plane import ControlPlane
from cluster.vault_kit import (
    account,
    reviewer_token,
    start_vault,
    token,
    trust_by_jwt,
    trust_by_kubernetes,
)
from vault.vault_server import VaultServer

from bailiwick_operator.vault.grant import Grant, Trust, policy_text, role_fields
from bailiwick_sidecar.secrets import KeyRef
from bailiwick_sidecar.vault.client import VaultClient
from bailiwick_sidecar.vault.outcomes import Denied, Failed, Found, Outcome
from bailiwick_sidecar.vault.reader import Login, Reader
from bailiwick_sidecar.vault.settings import Method, VaultSettings

ROLE = "bailiwick-logins"
PATH = "llm/logins/openai"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[VaultServer]:
    started = start_vault(tmp_path)
    yield started
    started.stop()


@pytest.fixture
def plane(control_plane: ControlPlane) -> ControlPlane:
    for namespace, name in (
        ("logins-prod", "bailiwick-gateway"),
        ("logins-prod", "bystander"),
        ("logins-other", "bailiwick-gateway"),
    ):
        account(control_plane, namespace, name)
    return control_plane


def grant(server: VaultServer, method: Method) -> None:
    """What the operator, or `bailiwick vault-policy`, writes."""
    given = Grant(
        tenant="logins",
        role=ROLE,
        auth_mount=method.value,
        namespaces=("logins-prod",),
        paths=(("secret", PATH),),
        trust=Trust(method=method.value),
    )
    server.write(f"sys/policies/acl/{ROLE}", {"policy": policy_text(given)}, method="PUT")
    server.write(f"auth/{method.value}/role/{ROLE}", dict(role_fields(given)))
    server.put_key(PATH, "sk-of-logins")


def read(server: VaultServer, folder: Path, method: Method, given: str) -> Outcome:
    """What a gateway with this token is told."""
    file = folder / "token"
    file.write_text(given)
    settings = VaultSettings(address=server.address, token_file=file, method=method)
    reader = Reader(
        VaultClient(settings, clock=time.monotonic), clock=time.monotonic, random=lambda: 0.5
    )
    ref = KeyRef("secret", PATH, "api_key")
    outcome = reader.read(Login(method.value, ROLE), [ref])[ref]
    reader.close()
    return outcome


@pytest.mark.parametrize("method", [Method.KUBERNETES, Method.JWT])
def test_a_gateway_logs_in_and_nobody_else(
    plane: ControlPlane, server: VaultServer, tmp_path: Path, method: Method
) -> None:
    """Its own account in its own namespace, with the audience of Vault; by either method."""
    if method is Method.KUBERNETES:
        trust_by_kubernetes(server, plane, reviewer=reviewer_token(plane))
    else:
        trust_by_jwt(server, plane)
    grant(server, method)

    gateway = token(plane, "logins-prod", "bailiwick-gateway")
    assert isinstance(read(server, tmp_path, method, gateway), Found)
    for stranger in (
        token(plane, "logins-prod", "bystander"),
        token(plane, "logins-other", "bailiwick-gateway"),
        token(plane, "logins-prod", "bailiwick-gateway", audience="bailiwick-operator"),
        token(plane, "logins-prod", "bailiwick-gateway", audience=""),
        gateway[:-8] + "AAAAAAAA",
    ):
        assert isinstance(read(server, tmp_path, method, stranger), Failed | Denied)


def test_a_token_for_vault_cannot_review_itself(
    plane: ControlPlane, server: VaultServer, tmp_path: Path
) -> None:
    """Without a reviewer's token the Kubernetes method fails, and the message names the login."""
    trust_by_kubernetes(server, plane, reviewer="")
    grant(server, Method.KUBERNETES)

    gateway = token(plane, "logins-prod", "bailiwick-gateway")
    said = read(server, tmp_path, Method.KUBERNETES, gateway)

    assert isinstance(said, Failed | Denied)
    assert "login at kubernetes" in said.what


def test_a_token_of_a_deleted_account_is_refused_where_vault_asks(
    plane: ControlPlane, server: VaultServer, tmp_path: Path
) -> None:
    """The Kubernetes method asks each time; the JWT method takes the token until it expires."""
    trust_by_kubernetes(server, plane, reviewer=reviewer_token(plane))
    trust_by_jwt(server, plane)
    for method in (Method.KUBERNETES, Method.JWT):
        grant(server, method)
    gateway = token(plane, "logins-prod", "bailiwick-gateway")
    plane.request("DELETE", "/api/v1/namespaces/logins-prod/serviceaccounts/bailiwick-gateway")

    assert isinstance(read(server, tmp_path, Method.JWT, gateway), Found)
    assert isinstance(read(server, tmp_path, Method.KUBERNETES, gateway), Failed | Denied)
