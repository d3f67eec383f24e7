"""Calls from pods of the tenant's namespace, each kept in the story."""

import json
from typing import Any

from e2e.client import Cluster
from e2e.conftest import Story
from e2e.world import TENANT_NAMESPACE

TOKEN = "/var/run/secrets/bailiwick/token"


SERVICE = "bailiwick.llm.v1.LanguageModel"


QUESTION = {
    "model": "fast",
    "max_tokens": 64,
    "messages": [{"role": "ROLE_USER", "content": '{"tokens": 7}'}],
}


def call(cluster: Cluster, story: Story, workload: str, *arguments: str) -> list[dict[str, Any]]:
    """The workload calls with its own token; what came."""
    printed = cluster(
        "exec",
        f"--namespace={TENANT_NAMESPACE}",
        f"deployment/{workload}",
        "--",
        "python",
        "/code/call.py",
        *arguments,
    )
    outcomes: list[dict[str, Any]] = json.loads(printed)
    story.calls.setdefault(workload, []).extend(outcomes)
    return outcomes


def by_grpc(cluster: Cluster, story: Story, workload: str, *arguments: str) -> list[dict[str, Any]]:
    """The same by a typed client."""
    where = (f"--namespace={TENANT_NAMESPACE}", f"deployment/{workload}")
    printed = cluster("exec", *where, "--", "python", "/code/grpc_call.py", *arguments)
    outcomes: list[dict[str, Any]] = json.loads(printed)
    story.calls.setdefault(workload, []).extend(outcomes)
    return outcomes


def curl(
    cluster: Cluster,
    method: str,
    request: dict[str, Any],
    *,
    first: str = "",
    workload: str = "ranking-api",
) -> str:
    """What grpcurl printed in a pod of the workload; it knows the API by reflection alone."""
    where = (f"--namespace={TENANT_NAMESPACE}", f"deployment/{workload}")
    line = (
        f'exec {first} grpcurl -plaintext -H "authorization: Bearer $(cat {TOKEN})" -d "$1"'
        ' "$GATEWAY_GRPC" "$2"'
    )
    return cluster("exec", *where, "--", "sh", "-c", line, "-", json.dumps(request), method)


def used(printed: str) -> dict[str, str]:
    """The usage among the messages that grpcurl printed one after the other."""
    decoder, found, at = json.JSONDecoder(), {}, 0
    while at < len(printed.rstrip()):
        said, at = decoder.raw_decode(printed, at + len(printed[at:]) - len(printed[at:].lstrip()))
        found = said.get("usage", found)
    return {name: value for name, value in found.items() if isinstance(value, str)}


def message(told: dict[str, Any]) -> dict[str, str]:
    """A user's message that tells the provider how to answer, as grpcurl takes it."""
    return {"role": "ROLE_USER", "content": json.dumps(told)}
