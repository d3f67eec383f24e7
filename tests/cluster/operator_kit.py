"""An operator in the test's own loop, and agents as the operator sees them."""

import asyncio
import base64
import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import yaml
from cluster.control_plane import ControlPlane
from cluster.waiting import eventually

from bailiwick_contract.services import CONFIG_STREAM_PATH
from bailiwick_contract.v1.config_stream_pb2 import (
    Ack,
    ConfigUpdate,
    Remainder,
    TypeState,
)
from bailiwick_contract.v1.tenant_config_pb2 import TenantConfig
from bailiwick_operator.app import Operator
from bailiwick_operator.children.model import GatewaySettings
from bailiwick_operator.settings import Settings, Stream

GROUP = "/apis/bailiwick.dev/v1alpha1"
NAME = "bailiwick-operator.bailiwick-system.svc"
CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def settings() -> Settings:
    return Settings(
        gateway=GatewaySettings(image="localhost/bailiwick-gateway:test"),
        stream=Stream(address="127.0.0.1:0", names=(NAME, "localhost")),
        namespace="bailiwick-system",
        liveness="",
    )


@contextlib.asynccontextmanager
async def operating(plane: ControlPlane, said: Settings | None = None) -> AsyncIterator[Operator]:
    """A started operator; stopped at the end, whatever happens."""
    os.environ["KUBECONFIG"] = str(plane.kubeconfig())
    await asyncio.to_thread(ensure_namespace, plane, "bailiwick-system")
    operator = Operator(said or settings(), connection=plane.connection())
    stop = asyncio.Event()
    task = asyncio.create_task(operator.run(stop=stop))

    async def started() -> bool:
        if task.done():
            task.result()
        return operator.port != 0

    try:
        await eventually(started)
        yield operator
    finally:
        stop.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait_for(task, 20)


def ensure_namespace(plane: ControlPlane, name: str) -> None:
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    plane.apply(manifest, f"/api/v1/namespaces/{name}")


def path_of(manifest: Mapping[str, Any]) -> str:
    """URL path of one of our resources."""
    plural = {
        "Tenant": "tenants",
        "ClusterModelProvider": "clustermodelproviders",
        "ModelProvider": "modelproviders",
        "ModelRoute": "modelroutes",
        "PriceBook": "pricebooks",
        "Quota": "modelquotas",
    }[manifest["kind"]]
    metadata = manifest["metadata"]
    root = GROUP + (f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else "")
    return f"{root}/{plural}/{metadata['name']}"


def apply_all(plane: ControlPlane, manifests: list[dict[str, Any]]) -> None:
    for manifest in manifests:
        plane.apply(manifest, path_of(manifest))


def tenant(
    name: str, namespace: str, *, issuer: str = "https://idp.example"
) -> list[dict[str, Any]]:
    """A small tenant: one provider, one route, one quota."""
    text = f"""
apiVersion: bailiwick.dev/v1alpha1
kind: Tenant
metadata: {{name: {name}}}
spec:
  namespaces: [{{name: {namespace}}}]
  currency: USD
  callers:
    jwt:
      - name: corp
        issuer: {issuer}
        audiences: [llm]
        jwks: {{uri: "https://idp.example/jwks.json"}}
        claimMappings: {{team: {{claim: team}}}}
  teams: [{{name: search}}]
  limits: {{tokensPerMinute: 50000}}
  modelAccess: [{{tier: shared}}]
---
apiVersion: bailiwick.dev/v1alpha1
kind: ClusterModelProvider
metadata: {{name: vllm}}
spec:
  protocol: OpenAI
  baseURL: http://vllm.models.svc.cluster.local:8000/v1
  region: eu-west-1
  tier: shared
  credentials: {{type: None}}
  currency: USD
  models:
    - {{name: qwen3-30b, maxOutputTokens: 8192, contextWindow: 32768,
        price: {{inputPerMillion: "0", outputPerMillion: "0"}}}}
---
apiVersion: bailiwick.dev/v1alpha1
kind: ModelRoute
metadata: {{name: fast, namespace: {namespace}}}
spec:
  backends:
    - {{name: vllm, provider: {{kind: ClusterModelProvider, name: vllm}}, model: qwen3-30b}}
---
apiVersion: bailiwick.dev/v1alpha1
kind: Quota
metadata: {{name: search, namespace: {namespace}}}
spec:
  subject: {{team: search}}
  limits: {{requestsPerSecond: 50}}
"""
    return list(yaml.safe_load_all(text))


def conditions(resource: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Conditions of a resource by type."""
    return {one["type"]: one for one in resource.get("status", {}).get("conditions", [])}


def says(plane: ControlPlane, manifest: Mapping[str, Any], type_: str) -> tuple[str, str]:
    """Status and reason of a condition, for its newest generation only."""
    found = plane.request("GET", path_of(manifest))
    one = conditions(found).get(type_)
    if one is None or one["observedGeneration"] != found["metadata"]["generation"]:
        return ("", "")
    return (one["status"], one["reason"])


async def until_says(
    plane: ControlPlane, manifest: Mapping[str, Any], type_: str, status: str, reason: str
) -> None:
    """Return when the condition is as given."""
    last: list[Any] = []

    async def holds() -> bool:
        last[:] = [await asyncio.to_thread(says, plane, manifest, type_)]
        return last[0] == (status, reason)

    try:
        await eventually(holds)
    except AssertionError as error:
        found = plane.request("GET", path_of(manifest))
        raise AssertionError(
            f"{manifest['kind']}/{manifest['metadata']['name']} {type_} is {last[0]}, not"
            f" {(status, reason)}: {found.get('status')}"
        ) from error


@dataclass(slots=True)
class Agent:
    """A gateway pod with its account and bound token, which speaks the config stream."""

    plane: ControlPlane
    namespace: str
    name: str
    account: str = "bailiwick-gateway"
    uid: str = ""
    token: str = ""
    received: list[ConfigUpdate] = field(default_factory=list)
    word: Ack = field(default_factory=Ack)
    left: Remainder | None = None
    """What it says that it has still to do, of each config."""
    _call: Any = None
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """A call takes one message at a time."""

    def make(self, *, audience: str = "bailiwick-operator", bound: bool = True) -> "Agent":
        """Make the pod and get its token, as kubelet would."""
        root = f"/api/v1/namespaces/{self.namespace}"
        labels = {
            "app.kubernetes.io/name": "bailiwick-gateway",
            "bailiwick.dev/owned": "true",
        }
        account = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": self.account, "namespace": self.namespace},
        }
        self.plane.apply(account, f"{root}/serviceaccounts/{self.account}")
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self.name, "namespace": self.namespace, "labels": labels},
            "spec": {
                "serviceAccountName": self.account,
                "containers": [{"name": "envoy", "image": "none"}],
            },
        }
        self.uid = self.plane.request("POST", f"{root}/pods", pod)["metadata"]["uid"]
        spec: dict[str, Any] = {"audiences": [audience], "expirationSeconds": 600}
        if bound:
            spec["boundObjectRef"] = {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": self.name,
                "uid": self.uid,
            }
        answer = self.plane.request(
            "POST", f"{root}/serviceaccounts/{self.account}/token", {"spec": spec}
        )
        self.token = answer["status"]["token"]
        return self

    def ready(self, *, ready: bool = True) -> None:
        """Say what kubelet would say of the pod."""
        status = {
            "status": {
                "conditions": [
                    {
                        "type": "Ready",
                        "status": str(ready),
                        "lastTransitionTime": "2026-01-01T00:00:00Z",
                    }
                ]
            }
        }
        path = f"/api/v1/namespaces/{self.namespace}/pods/{self.name}/status"
        self.plane.request("PATCH", path, status, kind="merge")

    async def serve(
        self, operator: Operator, *, nack: str = "", updates: int | None = None
    ) -> None:
        """Receive configs and answer each, until cancelled or so many came."""
        async with channel(self.plane, operator) as open_channel:
            call = open_channel.stream_stream(
                CONFIG_STREAM_PATH,
                request_serializer=Ack.SerializeToString,
                response_deserializer=ConfigUpdate.FromString,
            )(metadata=(("authorization", f"Bearer {self.token}"),))
            self._call = call
            await call.write(self.word)
            while updates is None or len(self.received) < updates:
                update = await call.read()
                if update is grpc.aio.EOF:
                    raise AssertionError(f"the stream ended: {await call.details()}")
                self.received.append(update)
                self.word = answer_to(update, nack=nack)
                self.word.MergeFrom(Ack(remainder=self.left))
                async with self._writing:
                    await call.write(self.word)

    async def say(self, word: Ack) -> None:
        """Say this on the open stream, unasked."""
        self.word = word
        async with self._writing:
            await self._call.write(word)

    @property
    def config(self) -> TenantConfig:
        """The config that came last."""
        return TenantConfig.FromString(self.received[-1].config)


def answer_to(update: ConfigUpdate, *, nack: str = "") -> Ack:
    """What an agent says of a config that Envoy took, or refused with these words."""
    state = TypeState(
        type_url=CLUSTER,
        state=TypeState.STATE_NACKED if nack else TypeState.STATE_ACKED,
        error=nack,
    )
    return Ack(sequence=update.sequence, digest=update.digest, types=[state])


@contextlib.asynccontextmanager
async def channel(plane: ControlPlane, operator: Operator) -> AsyncIterator[grpc.aio.Channel]:
    """A channel that trusts what the operator published and nothing else."""
    secret = await asyncio.to_thread(
        plane.request, "GET", "/api/v1/namespaces/bailiwick-system/secrets/bailiwick-operator-tls"
    )

    credentials = grpc.ssl_channel_credentials(base64.b64decode(secret["data"]["ca.crt"]))
    options = (("grpc.ssl_target_name_override", NAME),)
    async with grpc.aio.secure_channel(
        f"127.0.0.1:{operator.port}", credentials, options=options
    ) as made:
        yield made


@contextlib.asynccontextmanager
async def background(
    work: Any, *, ends: grpc.StatusCode | None = None
) -> AsyncIterator[asyncio.Task[None]]:
    """Run a coroutine beside the test; its failure fails the test, except with the code `ends`."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        if task.done() and not task.cancelled():
            error = task.exception()
            if error is not None and getattr(error, "code", lambda: None)() is not ends:
                raise error
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, grpc.aio.AioRpcError):
            await task
