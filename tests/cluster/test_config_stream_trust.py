"""Who gets a config: live gateway pods, their own namespace's, over TLS that they can verify."""

import asyncio

import grpc
import pytest
from cluster.control_plane import ControlPlane
from cluster.operator_kit import (
    NAME,
    Agent,
    apply_all,
    background,
    channel,
    ensure_namespace,
    operating,
    tenant,
    until_says,
)
from cluster.waiting import eventually

from bailiwick_contract.services import CONFIG_STREAM_PATH
from bailiwick_contract.v1.config_stream_pb2 import Ack, ConfigUpdate
from bailiwick_operator.app import Operator


async def ask(
    channel: grpc.aio.Channel, *metadata: tuple[str, str], first: bool = True
) -> ConfigUpdate:
    """Open a stream, say nothing of oneself, and wait for a config.

    Without the `first` message where a refusal is expected: grpcio reports a write to a call that
    has ended meanwhile as INTERNAL, whatever the server said.
    """
    call = channel.stream_stream(
        CONFIG_STREAM_PATH,
        request_serializer=Ack.SerializeToString,
        response_deserializer=ConfigUpdate.FromString,
    )(metadata=metadata)
    if first:
        await call.write(Ack())
    update: ConfigUpdate = await call.read()
    return update


async def refusal(plane: ControlPlane, operator: Operator, authorization: str) -> grpc.StatusCode:
    """The status with which a stream of this token ends."""
    async with channel(plane, operator) as opened:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask(opened, ("authorization", authorization), first=False)
        return caught.value.code()


def test_only_a_live_gateway_pod_gets_a_config(control_plane: ControlPlane) -> None:
    """Other accounts, other audiences, unbound tokens and rubbish are refused, each as it is."""

    async def run() -> None:
        plane = control_plane
        ensure_namespace(plane, "trust")
        other = Agent(plane, "trust", "other", account="default").make()
        foreign = Agent(plane, "trust", "foreign").make(audience="somewhere-else")
        unbound = Agent(plane, "trust", "unbound").make(bound=False)
        async with operating(plane) as operator:
            for token, code in (
                (other.token, grpc.StatusCode.PERMISSION_DENIED),
                (foreign.token, grpc.StatusCode.UNAUTHENTICATED),
                (unbound.token, grpc.StatusCode.PERMISSION_DENIED),
                ("rubbish", grpc.StatusCode.UNAUTHENTICATED),
                ("admin-token", grpc.StatusCode.PERMISSION_DENIED),
            ):
                assert await refusal(plane, operator, f"Bearer {token}") is code
            assert await refusal(plane, operator, "") is grpc.StatusCode.UNAUTHENTICATED

    asyncio.run(run())


def test_a_namespace_gets_its_own_config_only(control_plane: ControlPlane) -> None:
    """Two tenants' gateways beside each other: neither ever sees the other's config."""

    async def run() -> None:
        plane = control_plane
        for name in ("left", "right"):
            ensure_namespace(plane, f"{name}-prod")
            apply_all(plane, tenant(name, f"{name}-prod"))
        left = Agent(plane, "left-prod", "gw").make()
        right = Agent(plane, "right-prod", "gw").make()
        async with (
            operating(plane) as operator,
            background(left.serve(operator)),
            background(right.serve(operator)),
        ):

            async def both() -> bool:
                return bool(left.received and right.received)

            await eventually(both)
            assert left.config.namespace == "left-prod"
            assert right.config.namespace == "right-prod"
            assert b"right" not in b"".join(one.config for one in left.received)
            assert b"left" not in b"".join(one.config for one in right.received)

    asyncio.run(run())


def test_without_the_operators_ca_nothing_is_said(control_plane: ControlPlane) -> None:
    """An agent that does not trust the certificate sends no token; plain text is not served."""

    async def run() -> None:
        async with operating(control_plane) as operator:
            address = f"127.0.0.1:{operator.port}"
            options = (("grpc.ssl_target_name_override", NAME),)
            for opened in (
                grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(), options=options),
                grpc.aio.insecure_channel(address),
            ):
                async with opened:
                    with pytest.raises(grpc.aio.AioRpcError) as caught:
                        await ask(opened)
                    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE

    asyncio.run(run())


def test_a_refused_config_says_why_and_a_better_one_heals(control_plane: ControlPlane) -> None:
    """Envoy's words are in the condition; the last accepted config stays as the one to start on."""

    async def run() -> None:
        plane = control_plane
        ensure_namespace(plane, "nack-prod")
        resources = tenant("nack", "nack-prod")
        apply_all(plane, resources)
        route = resources[2]
        agent = Agent(plane, "nack-prod", "gw").make()
        agent.ready()
        acked = "/api/v1/namespaces/nack-prod/configmaps/bailiwick-gateway-config-acked"
        async with operating(plane) as operator:
            async with background(agent.serve(operator)):
                await until_says(plane, route, "Programmed", "True", "Programmed")

                async def kept() -> bool:
                    found = await asyncio.to_thread(plane.request, "GET", acked)
                    return found["data"]["digest"] == agent.received[-1].digest

                await eventually(kept)
            good = agent.received[-1].digest
            async with background(agent.serve(operator, nack="cluster b-1: bad address")):
                changed = {**route, "spec": {**route["spec"], "aliases": ["worse"]}}
                await asyncio.to_thread(apply_all, plane, [changed])
                await until_says(plane, route, "Programmed", "False", "ConfigRefused")
                found = await asyncio.to_thread(plane.request, "GET", acked)
                assert found["data"]["digest"] == good
            async with background(agent.serve(operator)):
                better = {**route, "spec": {**route["spec"], "aliases": ["better"]}}
                await asyncio.to_thread(apply_all, plane, [better])
                await until_says(plane, route, "Programmed", "True", "Programmed")

    asyncio.run(run())
