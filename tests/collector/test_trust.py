"""Whose rows they are, by a real API server: reviewed tokens, and the claims of Tenants."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster.control_plane import ControlPlane
from cluster.operator_kit import Agent, ensure_namespace

from bailiwick_collector.errors import NotTheirsError
from bailiwick_collector.identity import Owner, Owners
from bailiwick_operator.kube.http import HttpKube
from bailiwick_operator.publish.identity import NotAGatewayError, UnauthenticatedError

AUDIENCE = "bailiwick-collector"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A real kube-apiserver with this repository's CRDs."""
    folder: Path = tmp_path_factory.mktemp("control-plane")
    with ControlPlane(folder) as made:
        made.install_crds()
        yield made


def bind(plane: ControlPlane, namespace: str, tenant: str) -> None:
    """What the operator writes when a Tenant has the namespace."""
    manifest = {
        "apiVersion": "bailiwick.dev/v1alpha1",
        "kind": "TenantBinding",
        "metadata": {"name": "bailiwick", "namespace": namespace},
        "spec": {"tenant": tenant, "tenantUID": f"{tenant}-uid"},
    }
    root = f"/apis/bailiwick.dev/v1alpha1/namespaces/{namespace}/tenantbindings"
    plane.apply(manifest, f"{root}/bailiwick")


def test_a_token_proves_its_namespaces_tenant(plane: ControlPlane) -> None:
    """A gateway's token for this audience does; other accounts, audiences and rubbish do not."""
    for namespace in ("mine-prod", "nobodys"):
        ensure_namespace(plane, namespace)
    bind(plane, "mine-prod", "mine")
    gateway = Agent(plane, "mine-prod", "gw").make(audience=AUDIENCE)
    workload = Agent(plane, "mine-prod", "other", account="default").make(audience=AUDIENCE)
    elsewhere = Agent(plane, "mine-prod", "stream").make()
    unbound = Agent(plane, "mine-prod", "unbound").make(audience=AUDIENCE, bound=False)
    homeless = Agent(plane, "nobodys", "gw").make(audience=AUDIENCE)

    async def ask() -> None:
        async with HttpKube(plane.connection()) as kube:
            owners = Owners(
                kube,
                audience=AUDIENCE,
                service_account="bailiwick-gateway",
                seconds=60,
                clock=time.monotonic,
            )
            found = await owners.owner(f"Bearer {gateway.token}")
            assert found == Owner(tenant="mine", namespace="mine-prod")
            for token, error in (
                (workload.token, NotAGatewayError),
                (elsewhere.token, UnauthenticatedError),
                (unbound.token, NotAGatewayError),
                (homeless.token, NotTheirsError),
                ("rubbish", UnauthenticatedError),
            ):
                with pytest.raises(error):
                    await owners.owner(f"Bearer {token}")
            with pytest.raises(UnauthenticatedError):
                await owners.owner("")

    asyncio.run(ask())


def test_what_was_proved_is_believed_for_its_time_and_no_longer(plane: ControlPlane) -> None:
    """A pod that is gone brings nothing once its last review has grown old."""
    ensure_namespace(plane, "short-prod")
    bind(plane, "short-prod", "short")
    agent = Agent(plane, "short-prod", "gw").make(audience=AUDIENCE)
    now = [0.0]

    async def ask() -> None:
        async with HttpKube(plane.connection()) as kube:
            owners = Owners(
                kube,
                audience=AUDIENCE,
                service_account="bailiwick-gateway",
                seconds=60,
                clock=lambda: now[0],
            )
            await owners.owner(f"Bearer {agent.token}")
            path = "/api/v1/namespaces/short-prod/pods/gw?gracePeriodSeconds=0"
            await asyncio.to_thread(plane.request, "DELETE", path)
            now[0] = 59.0
            await owners.owner(f"Bearer {agent.token}")
            now[0] = 60.0
            # The API server itself remembers a good token for some seconds.
            for _ in range(200):
                try:
                    await owners.owner(f"Bearer {agent.token}")
                except UnauthenticatedError:
                    return
                now[0] += 60.0
                await asyncio.sleep(0.2)
        raise AssertionError("the token of a pod that is gone still holds")

    asyncio.run(ask())
