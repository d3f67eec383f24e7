"""What a gateway says of a key becomes a condition of the routes that need it."""

import asyncio

import grpc
from cluster.control_plane import ControlPlane
from cluster.operator_kit import (
    Agent,
    apply_all,
    background,
    conditions,
    ensure_namespace,
    operating,
    path_of,
    until_says,
)
from cluster.test_vault_grants import resources
from cluster.waiting import eventually

from bailiwick_contract.v1.config_stream_pb2 import Ack, KeyState
from bailiwick_contract.v1.tenant_config_pb2 import Credential


def test_a_key_that_is_missing_then_denied_then_there(control_plane: ControlPlane) -> None:
    """`Accepted=False` while it is missing, `Degraded` while it is denied; neither afterwards."""

    async def run() -> None:
        plane = control_plane
        await asyncio.to_thread(ensure_namespace, plane, "keyed-prod")
        made = resources("keyed")
        route = made[2]
        async with operating(plane) as operator:
            await asyncio.to_thread(apply_all, plane, made)
            agent = Agent(plane, "keyed-prod", "gateway-1").make()
            async with background(agent.serve(operator)):

                async def received() -> bool:
                    return bool(agent.received)

                await eventually(received)
                await asyncio.to_thread(agent.ready)
                await until_says(plane, route, "Accepted", "True", "Accepted")
                await until_says(plane, route, "Degraded", "False", "Healthy")

                await agent.say(word(agent.word, KeyState.STATE_MISSING, "KeyMissing"))
                await until_says(plane, route, "Accepted", "False", "KeyMissing")
                await until_says(plane, made[0], "Accepted", "True", "Accepted")
                found = await asyncio.to_thread(plane.request, "GET", path_of(route))
                assert "llm/keyed/openai is not there" in conditions(found)["Accepted"]["message"]

                await agent.say(word(agent.word, KeyState.STATE_REVOKED, "CredentialRevoked"))
                await until_says(plane, route, "Accepted", "True", "Accepted")
                await until_says(plane, route, "Degraded", "True", "CredentialRevoked")
                await until_says(plane, made[0], "Degraded", "True", "CredentialRevoked")
                found = await asyncio.to_thread(plane.request, "GET", path_of(route))
                assert "since 2026-01-01" in conditions(found)["Degraded"]["message"]

                await agent.say(word(agent.word))
                await until_says(plane, route, "Degraded", "False", "Healthy")

    asyncio.run(run())


def word(last: Ack, state: "KeyState.State | None" = None, reason: str = "") -> Ack:
    """The pod's last word, with this of its one key."""
    said = Ack(sequence=last.sequence, digest=last.digest, types=last.types)
    if state is not None:
        said.keys.add(
            credential=Credential(mount="secret", path="llm/keyed/openai", key="api_key"),
            state=state,
            reason=reason,
            since="2026-01-01",
            message="secret/llm/keyed/openai is not there",
        )
    return said


def test_a_store_that_is_away_degrades_the_tenant(control_plane: ControlPlane) -> None:
    """What a gateway depends on: the Tenant's condition, with one Event for each transition."""

    async def run() -> None:
        plane = control_plane
        await asyncio.to_thread(ensure_namespace, plane, "counted-prod")
        made = resources("counted")
        async with operating(plane) as operator:
            await asyncio.to_thread(apply_all, plane, made)
            agent = Agent(plane, "counted-prod", "gateway-1").make()
            async with background(agent.serve(operator)):

                async def received() -> bool:
                    return bool(agent.received)

                await eventually(received)
                await asyncio.to_thread(agent.ready)
                await until_says(plane, made[0], "Programmed", "True", "Programmed")
                await until_says(plane, made[0], "Degraded", "False", "Healthy")

                await agent.say(away(agent.word, "quota-store", "Unreachable"))
                await until_says(plane, made[0], "Degraded", "True", "QuotaStoreUnreachable")
                await agent.say(away(agent.word, "ledger", "Failing"))
                await until_says(plane, made[0], "Degraded", "True", "LedgerFailing")
                found = await asyncio.to_thread(plane.request, "GET", path_of(made[0]))
                said = conditions(found)["Degraded"]["message"]
                assert said == (
                    "namespace counted-prod: it does not answer"
                    " (since 2026-01-01T00:00:00+00:00, says gateway-1)."
                )
                await agent.say(word(agent.word))
                await until_says(plane, made[0], "Degraded", "False", "Healthy")

                uid = found["metadata"]["uid"]

                async def told() -> bool:
                    events = await asyncio.to_thread(
                        plane.request, "GET", "/apis/events.k8s.io/v1/namespaces/default/events"
                    )
                    turns = [
                        one["reason"]
                        for one in events["items"]
                        if one["regarding"].get("uid") == uid and one["action"] == "Degraded"
                    ]
                    return sorted(turns) == ["Healthy", "QuotaStoreUnreachable"]

                await eventually(told)

    asyncio.run(run())


def test_a_restart_of_the_operator_ends_no_outage(control_plane: ControlPlane) -> None:
    """Until the agents are back the Tenant says what it said; nobody is told of an end."""

    async def run() -> None:
        plane = control_plane
        await asyncio.to_thread(ensure_namespace, plane, "outlasting-prod")
        made = resources("outlasting")
        agent = Agent(plane, "outlasting-prod", "gateway-1").make()
        async with operating(plane) as operator:
            await asyncio.to_thread(apply_all, plane, made)
            async with background(agent.serve(operator), ends=grpc.StatusCode.CANCELLED):

                async def received() -> bool:
                    return bool(agent.received)

                await eventually(received)
                await asyncio.to_thread(agent.ready)
                await until_says(plane, made[0], "Programmed", "True", "Programmed")
                await agent.say(away(agent.word, "quota-store", "Unreachable"))
                await until_says(plane, made[0], "Degraded", "True", "QuotaStoreUnreachable")
        before = await asyncio.to_thread(plane.request, "GET", path_of(made[0]))
        generation = before["metadata"]["generation"]
        async with operating(plane):
            # It looks at this tenant, and says so.
            changed = {**made[0], "spec": {**made[0]["spec"], "limits": {"tokensPerMinute": 7}}}
            await asyncio.to_thread(apply_all, plane, [changed])

            async def looked() -> bool:
                found = await asyncio.to_thread(plane.request, "GET", path_of(made[0]))
                return bool(found["status"]["observedGeneration"] > generation)

            await eventually(looked)
            after = await asyncio.to_thread(plane.request, "GET", path_of(made[0]))
            assert conditions(after)["Degraded"] == conditions(before)["Degraded"]

    asyncio.run(run())


def away(last: Ack, dependency: str, reason: str) -> Ack:
    """The pod's last word, with this of what it depends on."""
    said = Ack(sequence=last.sequence, digest=last.digest, types=last.types)
    said.degraded.add(
        dependency=dependency,
        reason=reason,
        since="2026-01-01T00:00:00+00:00",
        message="it does not answer",
    )
    return said
