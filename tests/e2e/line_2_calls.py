"""Workloads call by HTTP and gRPC; who may not, and who has used up a limit, is refused."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from e2e.calls import QUESTION, SERVICE, by_grpc, call, curl, used
from e2e.client import Cluster, CommandError
from e2e.conftest import Story
from e2e.seen import seen_by
from e2e.vaulted import KEYS

PER_MINUTE = 30
"""Quota/each-user of examples/acme."""


def test_a_workload_calls_with_its_own_token(cluster: Cluster, story: Story) -> None:
    """JSON and stream through the openai package, without a key, both with their usage."""
    (plain,) = call(cluster, story, "ranking-api", "fast")
    (streamed,) = call(cluster, story, "ranking-api", "fast", "--stream")
    (premium,) = call(cluster, story, "ranking-api", "smart")

    for answer in (plain, streamed, premium):
        assert answer["status"] == 200, answer
        assert answer["text"] == " w" * 7
        assert answer["usage"]["completion_tokens"] == 7
    attempts = seen_by(cluster, "openai")
    assert [one["model"] for one in attempts] == ["gpt-5-mini", "gpt-5-mini", "gpt-5"]
    assert [one["stream"] for one in attempts] == [False, True, False]
    assert {one["authorization"] for one in attempts} == {f"Bearer {KEYS[0]}"}


@pytest.mark.parametrize(
    ("workload", "model", "code"),
    [
        ("stranger", "fast", "service_account_not_bound"),
        ("helpdesk-bot", "smart", "model_not_allowed"),
    ],
)
def test_who_may_not_is_refused(
    cluster: Cluster, story: Story, workload: str, model: str, code: str
) -> None:
    """An account that the Tenant binds to no team, and a team without the model, get a 403."""
    (answer,) = call(cluster, story, workload, model)

    assert (answer["status"], answer["code"]) == (403, code), answer


def test_a_workload_calls_by_grpc(cluster: Cluster, story: Story) -> None:
    """Blocking, asyncio and grpcurl clients, whole and in pieces, with the same token."""
    before = len(seen_by(cluster, "openai"))
    answers = [
        outcome
        for options in ((), ("--stream",), ("--aio",), ("--aio", "--stream"))
        for outcome in by_grpc(cluster, story, "ranking-api", "fast", *options)
    ]
    curled = [
        curl(cluster, f"{SERVICE}/Chat", QUESTION),
        curl(cluster, f"{SERVICE}/ChatStream", {"chat": QUESTION}),
    ]

    for answer in answers:
        assert answer["status"] == 200, answer
        assert answer["text"] == " w" * 7
        assert answer["usage"]["completion_tokens"] == 7
    for printed in curled:
        usage = {key: int(value) for key, value in used(printed).items()}
        assert usage["completion_tokens"] == 7
        story.calls["ranking-api"].append({"status": 200, "usage": usage})
    attempts = seen_by(cluster, "openai")[before:]
    assert [one["stream"] for one in attempts] == [False, True] * 3
    assert {one["authorization"] for one in attempts} == {f"Bearer {KEYS[0]}"}


def test_limits_refuse(cluster: Cluster, story: Story) -> None:
    """Of 20 calls by HTTP and 20 by gRPC at once 30 go out, to the call; the others come later."""
    before = len(seen_by(cluster, "openai"))
    with ThreadPoolExecutor(2) as both:
        by_http = both.submit(call, cluster, story, "helpdesk-bot", "fast", "--times=20")
        typed = both.submit(by_grpc, cluster, story, "helpdesk-bot", "fast", "--times=20")

    outcomes = by_http.result() + typed.result()
    refused = [one for one in outcomes if one["status"] != 200]
    assert len(outcomes) - len(refused) == PER_MINUTE, refused[-1:]
    assert {one["status"] for one in refused} <= {429, "RESOURCE_EXHAUSTED"}
    assert {one["code"] for one in refused} == {"rate_limit_exceeded"}
    assert len(seen_by(cluster, "openai")) - before == PER_MINUTE

    (http,) = call(cluster, story, "helpdesk-bot", "fast")
    (grpc,) = by_grpc(cluster, story, "helpdesk-bot", "fast")
    assert (http["status"], grpc["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert int(http["retry_after"]) >= 1
    assert 0 < grpc["retry_after"] <= 60
    assert grpc["limits"] == ["Quota/each-user#requestsPerMinute"]

    (aio,) = by_grpc(cluster, story, "helpdesk-bot", "fast", "--aio")
    assert (aio["status"], aio["code"]) == ("RESOURCE_EXHAUSTED", "rate_limit_exceeded")
    # 8 is RESOURCE_EXHAUSTED: grpcurl ends with 64 more.
    with pytest.raises(CommandError, match=r"ResourceExhausted|exit code 72"):
        curl(cluster, f"{SERVICE}/Chat", QUESTION, workload="helpdesk-bot")
