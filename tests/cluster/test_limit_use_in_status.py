"""What gateways say of limits' use: in statuses, in `kubectl get`'s columns, and as Events."""

import asyncio
from typing import Any

from cluster.control_plane import ControlPlane
from cluster.operator_kit import (
    Agent,
    apply_all,
    background,
    ensure_namespace,
    operating,
    path_of,
    tenant,
    until_says,
)
from cluster.waiting import eventually

from bailiwick_contract.v1.config_stream_pb2 import Ack


def word(last: Ack, *, quota: str, percent: int) -> Ack:
    """The pod's last word, with the use of one budget and of the Tenant's own limit."""
    said = Ack(sequence=last.sequence, digest=last.digest, types=last.types)
    said.limits.add(
        limit_id=f"Quota/{quota}#budgetMonth",
        amount="100",
        used=str(percent),
        left=str(100 - percent),
        percent=percent,
        resets_at="2026-12-01T00:00:00.000+00:00",
        exhausted_at="2026-11-21T00:00:00.000+00:00",
    )
    said.limits.add(
        limit_id="Tenant/used/limits#tokensPerMinute",
        amount="50000",
        used="500",
        left="49500",
        percent=1,
        resets_at="2026-11-11T00:01:00.000+00:00",
    )
    return said


def test_use_comes_into_statuses_and_thresholds_become_events(
    control_plane: ControlPlane,
) -> None:
    """80 % is told once, with the day on which it will be spent; the columns show both."""

    async def run() -> None:
        plane = control_plane
        await asyncio.to_thread(ensure_namespace, plane, "used-prod")
        made = tenant("used", "used-prod")
        quota = next(one for one in made if one["kind"] == "Quota")
        quota["spec"] |= {
            "limits": {"budgets": [{"period": "Month", "amount": "100"}]},
            "thresholds": [80, 100],
        }
        name = quota["metadata"]["name"]

        async def status(of: dict[str, Any]) -> dict[str, Any]:
            found = await asyncio.to_thread(plane.request, "GET", path_of(of))
            said: dict[str, Any] = found.get("status", {})
            return said

        async def events() -> list[dict[str, Any]]:
            found = await asyncio.to_thread(
                plane.request, "GET", "/apis/events.k8s.io/v1/namespaces/used-prod/events"
            )
            return [one for one in found["items"] if one["reason"].startswith("Limit")]

        async with operating(plane) as operator:
            await asyncio.to_thread(apply_all, plane, made)
            agent = Agent(plane, "used-prod", "gateway-1").make()
            async with background(agent.serve(operator)):

                async def received() -> bool:
                    return bool(agent.received)

                await eventually(received)
                await asyncio.to_thread(agent.ready)
                await until_says(plane, quota, "Programmed", "True", "Programmed")
                await agent.say(word(agent.word, quota=name, percent=79))

                async def shown() -> bool:
                    return (await status(quota)).get("used") == "79% budgetMonth"

                await eventually(shown)
                assert await events() == []

                await agent.say(word(agent.word, quota=name, percent=85))

                async def told() -> bool:
                    return bool(await events())

                await eventually(told)
                (event,) = await events()
                assert event["reason"] == "LimitNearlyUsed"
                assert event["note"].endswith(
                    "85 of 100. At this rate it is used up on 2026-11-21."
                )
                found = await status(quota)
                assert found["use"] == [
                    {
                        "name": "budgetMonth",
                        "limit": "100",
                        "used": "85",
                        "left": "15",
                        "percent": 85,
                        "resetsAt": "2026-12-01T00:00:00.000+00:00",
                        "exhaustedAt": "2026-11-21T00:00:00.000+00:00",
                    }
                ]
                of_tenant = await status(made[0])
                assert of_tenant["used"] == "1% tokensPerMinute"
                assert of_tenant["ready"] == "1/1"
                table = await asyncio.to_thread(columns, plane, "modelquotas", "used-prod")
                assert table[name]["Used"] == "85% budgetMonth"

    asyncio.run(run())


def columns(plane: ControlPlane, plural: str, namespace: str) -> dict[str, dict[str, Any]]:
    """The table that `kubectl get` prints, by name."""
    found = plane.request(
        "GET",
        f"/apis/bailiwick.dev/v1alpha1/namespaces/{namespace}/{plural}",
        accept="application/json;as=Table;v=v1;g=meta.k8s.io",
    )
    names = [one["name"] for one in found["columnDefinitions"]]
    return {row["cells"][0]: dict(zip(names, row["cells"], strict=True)) for row in found["rows"]}
