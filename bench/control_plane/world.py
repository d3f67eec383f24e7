"""Tenants, their resources and their gateways' pods on a real API server, made in bulk."""

import asyncio
import json
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import aiohttp
from cluster.control_plane import ADMIN, ControlPlane
from cluster.operator_kit import path_of, tenant

ROUTES, QUOTAS = 5, 4
EACH = 1 + ROUTES + QUOTAS
"""Custom resources of one tenant."""
TOGETHER = 24


@dataclass(frozen=True, slots=True)
class Pod:
    """A gateway pod with its token, as kubelet would have made it."""

    namespace: str
    name: str
    uid: str
    token: str


def name_of(number: int) -> str:
    """The tenant's name."""
    return f"t{number:05}"


def resources(number: int) -> list[dict[str, Any]]:
    """What one tenant consists of, without the provider that all share."""
    name = name_of(number)
    head, _, route, quota = tenant(name, f"{name}-prod")
    routes = [
        {**route, "metadata": {**route["metadata"], "name": f"fast-{n}"}} for n in range(ROUTES)
    ]
    quotas = [
        {
            **quota,
            "metadata": {**quota["metadata"], "name": f"search-{n}"},
            "spec": {**quota["spec"], "subject": {"team": "search", "route": f"fast-{n}"}},
        }
        for n in range(QUOTAS)
    ]
    return [head, *routes, *quotas]


class Hands:
    """Calls to the API server, many at a time."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connection = self._plane.connection()
        self._session = aiohttp.ClientSession(
            base_url=connection.server,
            connector=aiohttp.TCPConnector(ssl=connection.tls, limit=TOGETHER),
            headers={"Authorization": f"Bearer {ADMIN}"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(
        self, method: str, path: str, body: Any = None, *, kind: str = "application/json"
    ) -> Any:
        """One call; what exists already is no error."""
        if self._session is None:
            raise RuntimeError("use `async with`")
        data = None if body is None else json.dumps(body)
        async with self._session.request(
            method, path, data=data, headers={"Content-Type": kind}
        ) as answer:
            text = await answer.text()
            if answer.status >= 400 and answer.status != 409:
                raise RuntimeError(f"{method} {path}: {answer.status} {text}")
            return json.loads(text) if text.startswith("{") else text

    async def apply(self, manifest: dict[str, Any]) -> Any:
        """Apply one of our resources as a user's kubectl would."""
        path = f"{path_of(manifest)}?fieldManager=bench&force=true"
        return await self.call("PATCH", path, manifest, kind="application/apply-patch+yaml")

    async def tenants(self, numbers: Iterable[int]) -> None:
        """Make these tenants' namespaces and resources."""
        await self.apply(tenant("any", "any")[1])
        await together(self._tenant(number) for number in numbers)

    async def _tenant(self, number: int) -> None:
        await self.call(
            "POST", "/api/v1/namespaces", {"metadata": {"name": f"{name_of(number)}-prod"}}
        )
        for manifest in resources(number):
            await self.call("POST", path_of(manifest).rpartition("/")[0], manifest)

    async def pods(self, numbers: Iterable[int], *, each: int) -> list[Pod]:
        """Make ready gateway pods with tokens in these tenants' namespaces."""
        found: list[Pod] = []
        await together(
            self._pod(f"{name_of(number)}-prod", f"bailiwick-gateway-{n}", found)
            for number in numbers
            for n in range(each)
        )
        return found

    async def _pod(self, namespace: str, name: str, found: list[Pod]) -> None:
        account = "bailiwick-gateway"
        root = f"/api/v1/namespaces/{namespace}"
        labels = {"app.kubernetes.io/name": account, "bailiwick.dev/owned": "true"}
        pod = await self.call(
            "POST",
            f"{root}/pods",
            {
                "metadata": {"name": name, "labels": labels},
                "spec": {
                    "serviceAccountName": account,
                    "containers": [{"name": "envoy", "image": "none"}],
                },
            },
        )
        uid = pod["metadata"]["uid"]
        bound = {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid}
        answer = await self.call(
            "POST",
            f"{root}/serviceaccounts/{account}/token",
            {
                "spec": {
                    "audiences": ["bailiwick-operator"],
                    "expirationSeconds": 7200,
                    "boundObjectRef": bound,
                }
            },
        )
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        await self.call(
            "PATCH",
            f"{root}/pods/{name}/status",
            {"status": {"conditions": [ready]}},
            kind="application/merge-patch+json",
        )
        found.append(Pod(namespace, name, uid, answer["status"]["token"]))


async def together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do all of it, so many at a time as the connections allow."""
    gate = asyncio.Semaphore(TOGETHER)

    async def one(each: Coroutine[Any, Any, None]) -> None:
        async with gate:
            await each

    async with asyncio.TaskGroup() as group:
        for each in work:
            group.create_task(one(each))


def requests_of(plane: ControlPlane) -> float:
    """Requests that the API server has answered, but for watches, which stay open."""
    text: str = plane.request("GET", "/metrics")
    return sum(
        float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith("apiserver_request_total{") and 'verb="WATCH"' not in line
    )


def write_pods(path: Path, pods: list[Pod]) -> None:
    """For the agents' process."""
    path.write_text(json.dumps([[one.namespace, one.token] for one in pods]))
    path.chmod(0o600)
