"""One row for each attempt, as the provider counted it; also where the caller left."""

import pytest
from e2e.calls import QUESTION, SERVICE, by_grpc, curl, message
from e2e.client import Cluster, CommandError, until
from e2e.conftest import Story
from e2e.seen import metrics, seen_by, settled_as, total
from e2e.world import PROVIDERS


def test_metrics_and_rows_agree_with_the_provider(cluster: Cluster, story: Story) -> None:
    """Scraped from another namespace: one settled row for each attempt, to the token, with cost."""
    attempts = [one for name in PROVIDERS for one in seen_by(cluster, name)]
    found = until(
        lambda: metrics(cluster),
        lambda seen: (
            total(seen, "bailiwick_attempts_total", state="settled") == len(attempts)
            and total(seen, "bailiwick_ledger_waiting_rows") == 0
        ),
        what=f"{len(attempts)} settled rows in the ledger",
    )

    assert len(attempts) == len(story.served)
    assert total(found, "bailiwick_attempts_total") == len(attempts)
    for kind, key in (("input", "prompt_tokens"), ("output", "completion_tokens")):
        used = sum(one["usage"][key] for one in story.served)
        assert total(found, "bailiwick_tokens_total", kind=kind) == used
    assert total(found, "bailiwick_cost_total", currency="USD", model="gpt-5-mini") > 0
    assert total(found, "bailiwick_cost_total", currency="USD", model="gpt-5") > 0
    assert total(found, "bailiwick_limit_refusals_total", team="support") == 14
    for name in ("bailiwick_attempts_total", "bailiwick_requests_total"):
        told = {
            protocol: {
                tuple(sorted(had.keys())) for had, _ in found[name] if had["protocol"] == protocol
            }
            for protocol in ("http", "grpc")
        }
        assert told["http"] == told["grpc"], "the two can be told apart by more than `protocol`"
    assert total(found, "bailiwick_ledger_failing_seconds") == 0


@pytest.mark.parametrize("options", [(), ("--aio",)], ids=["blocking", "asyncio"])
def test_a_stream_by_grpc_is_left(cluster: Cluster, story: Story, options: tuple[str, ...]) -> None:
    """The provider sees the caller go; what was delivered until then is charged."""
    before = metrics(cluster)
    (left,) = by_grpc(cluster, story, "ranking-api", "fast", "--stream", "--leave=4", *options)

    assert left["status"] == "left", left
    settled_as(cluster, before, kind="estimated")
    assert seen_by(cluster, "openai")[-1]["end"] == "caller_left"


def test_grpcurl_is_interrupted(cluster: Cluster, story: Story) -> None:
    """Killed in the middle of a stream, as by Ctrl-C."""
    before = metrics(cluster)
    slow = {**QUESTION, "messages": [message({"tokens": 60, "chunk_delay": 0.05})]}
    with pytest.raises(CommandError):
        curl(cluster, f"{SERVICE}/ChatStream", {"chat": slow}, first="timeout -s INT 1")

    settled_as(cluster, before, kind="estimated")
    assert seen_by(cluster, "openai")[-1]["end"] == "caller_left"
