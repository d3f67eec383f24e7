"""A namespace that leaves its tenant keeps its gateway until the ledger has the last rows."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
import msgspec
import pytest
from cluster.control_plane import ControlPlane
from cluster.operator_kit import (
    Agent,
    apply_all,
    background,
    ensure_namespace,
    operating,
    path_of,
    settings,
    tenant,
    until_says,
)
from cluster.test_crash_between_writes import Killed
from cluster.test_faults_are_survived import stored
from cluster.test_namespaces_are_claimed import binding
from cluster.waiting import eventually

from bailiwick_contract.v1.config_stream_pb2 import Ack, Remainder
from bailiwick_operator import hearing, leaving
from bailiwick_operator.settings import Settings

PLACE = "/var/lib/bailiwick/journal"


@dataclass(slots=True)
class World:
    """One tenant with one gateway pod."""

    plane: ControlPlane
    name: str
    agent: Agent
    resources: list[dict[str, Any]]

    @classmethod
    def of(cls, plane: ControlPlane, name: str) -> "World":
        ensure_namespace(plane, f"{name}-prod")
        resources = tenant(name, f"{name}-prod")
        apply_all(plane, resources)
        agent = Agent(plane, f"{name}-prod", "gw").make()
        agent.ready()
        return cls(plane, name, agent, resources)

    @property
    def namespace(self) -> str:
        return f"{self.name}-prod"

    async def serving(self) -> None:
        await until_says(self.plane, self.resources[0], "Programmed", "True", "Programmed")

    async def delete(self) -> None:
        path = path_of(self.resources[0])
        await asyncio.to_thread(self.plane.request, "DELETE", path)

    async def until(self, holds: Callable[[], bool]) -> None:
        async def probe() -> bool:
            return await asyncio.to_thread(holds)

        await eventually(probe)

    def refusing(self) -> bool:
        return bool(self.agent.received) and bool(self.agent.config.deny_reason)

    def gone(self) -> bool:
        return binding(self.plane, self.namespace) is None

    async def tells(self, **left: Any) -> None:
        """Say this now, and of each config from here on."""
        self.agent.left = Remainder(place=PLACE, **left)
        word = Ack()
        word.CopyFrom(self.agent.word)
        word.remainder.CopyFrom(self.agent.left)
        await self.agent.say(word)

    def events(self) -> dict[str, str]:
        """Notes of what was said of the binding, by reason; several of one in their order."""
        root = f"/apis/events.k8s.io/v1/namespaces/{self.namespace}/events"
        items = self.plane.request("GET", root)["items"]
        found: dict[str, str] = {}
        for one in sorted(items, key=lambda one: str(one["eventTime"])):
            if one["regarding"]["kind"] == "TenantBinding":
                found[one["reason"]] = f"{found.get(one['reason'], '')}{one['note']}\n"
        return found


def impatient(seconds: int) -> Settings:
    """Settings with which a namespace waits no longer than this."""
    said = settings()
    gateway = msgspec.structs.replace(said.gateway, leave_seconds=seconds)
    return msgspec.structs.replace(said, gateway=gateway)


def test_a_deleted_tenant_settles_before_its_gateway_goes(
    control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls are refused at once; the binding, which owns the gateway, outlives rows and calls."""
    monkeypatch.setattr(leaving, "SETTLING_S", 0.0)

    async def run() -> None:
        world = World.of(control_plane, "settling")
        async with (
            operating(control_plane) as operator,
            background(world.agent.serve(operator), ends=grpc.StatusCode.UNAVAILABLE),
        ):
            await world.serving()
            await world.delete()
            await world.until(world.refusing)
            await world.tells(in_flight=1, rows=2)
            await world.tells(rows=3)
            await world.until(lambda: "has 3 rows" in world.events().get("Settling", ""))
            standing = await asyncio.to_thread(binding, control_plane, world.namespace)
            assert standing["metadata"]["annotations"]["bailiwick.dev/leaving-since"]
            assert "ownerReferences" not in standing["metadata"]
            # A pod that starts now starts with this.
            assert stored(control_plane, world.namespace).deny_reason
            await until_says(
                control_plane, world.resources[2], "Accepted", "False", "UnclaimedNamespace"
            )

            await world.tells(shipped=True)
            await world.until(world.gone)

            said = await asyncio.to_thread(world.events)
            assert said["Settled"].startswith("Leaves tenant settling. All 1 gateway pods refuse")
            assert "NotSettled" not in said
            assert operator.probe()["failed"] == 0

    asyncio.run(run())


def test_what_is_given_up_is_said(
    control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its time the namespace goes; an Event says how many rows are left, and where."""
    monkeypatch.setattr(hearing, "RETURN_S", 0.0)
    monkeypatch.setattr("bailiwick_operator.departure.LOOK_S", 0.2)

    async def run() -> None:
        world = World.of(control_plane, "hasty")
        async with (
            operating(control_plane, impatient(3)) as operator,
            background(world.agent.serve(operator), ends=grpc.StatusCode.UNAVAILABLE),
        ):
            await world.serving()
            await world.delete()
            await world.until(world.refusing)
            await world.tells(rows=12)
            await world.until(world.gone)
            note = (await asyncio.to_thread(world.events))["NotSettled"]
            assert f"pod gw has 12 rows in {PLACE} that the ledger has not" in note

    asyncio.run(run())


def test_an_operator_that_was_away_settles_too(control_plane: ControlPlane) -> None:
    """Deleted while it was down, and killed in between: the next one goes on where it stands.

    Gateways are sent nothing anew: what refuses calls keeps its sequence.
    """

    async def run() -> None:
        world = World.of(control_plane, "absent")
        async with (
            operating(control_plane) as operator,
            background(world.agent.serve(operator), ends=grpc.StatusCode.UNAVAILABLE),
        ):
            await world.serving()
        await world.delete()
        async with (
            operating(control_plane) as operator,
            background(world.agent.serve(operator), ends=grpc.StatusCode.UNAVAILABLE),
        ):
            await world.until(world.refusing)
            await world.tells(rows=3)
            await world.until(lambda: bool(stored(control_plane, world.namespace).deny_reason))
        before = len(world.agent.received)
        async with (
            operating(control_plane) as operator,
            background(world.agent.serve(operator), ends=grpc.StatusCode.UNAVAILABLE),
        ):

            async def idle() -> bool:
                return operator.probe()["streams"] == 1 and operator.probe()["waiting"] == 0

            await eventually(idle)
            assert not await asyncio.to_thread(world.gone)
            assert len(world.agent.received) == before
            assert world.agent.config.routes
            await world.tells(shipped=True)
            await world.until(world.gone)

    asyncio.run(run())


def test_a_tenant_made_anew_waits_for_its_forerunner(control_plane: ControlPlane) -> None:
    """Same name, another UID: it says what it waits for, and has the namespace afterwards."""

    async def run() -> None:
        world = World.of(control_plane, "phoenix")
        async with (
            operating(control_plane) as operator,
            background(world.agent.serve(operator), ends=grpc.StatusCode.UNAVAILABLE),
        ):
            await world.serving()
            await world.delete()
            await world.until(world.refusing)
            await world.tells(rows=3)
            await asyncio.to_thread(apply_all, control_plane, world.resources[:1])
            await until_says(
                control_plane, world.resources[0], "Accepted", "False", "NamespaceClaimed"
            )
            found = await asyncio.to_thread(
                control_plane.request, "GET", path_of(world.resources[0])
            )
            assert "is still leaving tenant phoenix" in str(found["status"]["conditions"])
            await world.tells(shipped=True)
            await until_says(control_plane, world.resources[0], "Accepted", "True", "Accepted")
            standing = await asyncio.to_thread(binding, control_plane, world.namespace)
            assert standing["spec"]["tenantUID"] == found["metadata"]["uid"]

    asyncio.run(run())


def test_every_write_of_a_departure_may_be_the_last(control_plane: ControlPlane) -> None:
    """Killed before write 0, 1, 2, … of a deletion, the next operator ends in the same state."""

    async def run() -> None:
        plane = control_plane
        died = 0
        for writes in range(20):
            world = World.of(plane, f"end{writes:03}")
            world.agent.left = Remainder(place=PLACE, shipped=True)
            serving = world.agent.serve
            async with (
                operating(plane) as operator,
                background(serving(operator), ends=grpc.StatusCode.UNAVAILABLE),
            ):
                await world.serving()
            await world.delete()
            killed = Killed(writes)
            async with (
                killed.applied(),
                operating(plane) as operator,
                background(serving(operator), ends=grpc.StatusCode.UNAVAILABLE),
            ):
                await world.until(lambda k=killed, w=world: k.dead.is_set() or w.gone())  # type: ignore[misc]  # bound now
                finished = not killed.dead.is_set()
            async with (
                operating(plane) as operator,
                background(serving(operator), ends=grpc.StatusCode.UNAVAILABLE),
            ):
                await world.until(world.gone)
            assert "Settled" in await asyncio.to_thread(world.events)
            if finished:
                break
            died += 1
        assert died >= 5

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bailiwick_operator.departure.LOOK_S", 0.2)
        asyncio.run(run())


def test_no_owner_takes_a_binding_with_it(control_plane: ControlPlane) -> None:
    """A binding that an earlier release made for its Tenant to own is let go of."""

    async def run() -> None:
        plane = control_plane
        world = World.of(plane, "owned")
        async with operating(plane):
            await world.until(lambda: not world.gone())
            held = await asyncio.to_thread(binding, plane, world.namespace)
        owner = {
            "apiVersion": "bailiwick.dev/v1alpha1",
            "kind": "Tenant",
            "name": "owned",
            "uid": held["spec"]["tenantUID"],
        }
        path = f"/apis/bailiwick.dev/v1alpha1/namespaces/{world.namespace}/tenantbindings/bailiwick"
        body = {
            "apiVersion": "bailiwick.dev/v1alpha1",
            "kind": "TenantBinding",
            "metadata": {"name": "bailiwick", "ownerReferences": [owner]},
            "spec": held["spec"],
        }
        plane.request(
            "PATCH", f"{path}?fieldManager=bailiwick-operator&force=true", body, kind="apply"
        )
        assert binding(plane, world.namespace)["metadata"]["ownerReferences"]
        async with operating(plane):
            await world.until(
                lambda: "ownerReferences" not in binding(plane, world.namespace)["metadata"]
            )

    asyncio.run(run())
